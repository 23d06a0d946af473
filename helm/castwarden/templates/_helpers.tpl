{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{- define "castwarden.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* What every object is called by, with its part behind it: castwarden-gateway, castwarden-operator … */}}
{{- define "castwarden.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "castwarden.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "castwarden.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* For objects of the cluster, whose names are one for all namespaces. */}}
{{- define "castwarden.clustername" -}}
{{- printf "%s-%s" .Release.Namespace (include "castwarden.fullname" .) | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{/* (dict "root" $ "component" "gateway") */}}
{{- define "castwarden.selector" -}}
app.kubernetes.io/name: {{ include "castwarden.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "castwarden.labels" -}}
{{ include "castwarden.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: castwarden
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* (dict "root" $ "image" .Values.gateway.image) */}}
{{- define "castwarden.image" -}}
{{- $registry := .root.Values.image.registry -}}
{{- $repository := ternary (printf "%s/%s" $registry .image.repository) .image.repository (ne $registry "") -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{- define "castwarden.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* The namespaces that are looked after, as a JSON list; empty means all of the cluster. */}}
{{- define "castwarden.namespaces" -}}
{{- if .Values.rbac.clusterWide -}}
[]
{{- else -}}
{{- concat (list .Release.Namespace) (list (include "castwarden.tenantNamespace" .)) .Values.watchNamespaces | uniq | toJson -}}
{{- end -}}
{{- end }}

{{- define "castwarden.tenantNamespace" -}}
{{- .Values.tenantNamespace | default .Release.Namespace -}}
{{- end }}

{{/* (dict "root" $ "component" "gateway") */}}
{{- define "castwarden.serviceAccount" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- if $account.create -}}
{{- $account.name | default (printf "%s-%s" (include "castwarden.fullname" .root) .component) -}}
{{- else -}}
{{- $account.name | default "default" -}}
{{- end -}}
{{- end }}

{{- define "castwarden.secretName" -}}
{{- .Values.secrets.existingSecret | default (include "castwarden.fullname" .) -}}
{{- end }}

{{/* "true" when the chart runs PostgreSQL itself */}}
{{- define "castwarden.bundled" -}}
{{- if and .Values.postgresql.bundled.enabled (not .Values.postgresql.existingSecret.name) -}}true{{- end -}}
{{- end }}

{{/* The variable by which a container finds the database. */}}
{{- define "castwarden.databaseEnv" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
{{- if include "castwarden.bundled" . }}
      name: {{ include "castwarden.fullname" . }}-postgres
      key: url
{{- else }}
      name: {{ required "name a Secret with the database's URL in postgresql.existingSecret.name, or set postgresql.bundled.enabled" .Values.postgresql.existingSecret.name }}
      key: {{ .Values.postgresql.existingSecret.key }}
{{- end }}
{{- end }}

{{- define "castwarden.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "castwarden.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* (dict "root" $ "component" "gateway"): where Pods of a Deployment go, two of them not to one place. */}}
{{- define "castwarden.scheduling" -}}
{{- $of := index .root.Values .component -}}
{{- with $of.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $of.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $of.topologySpread.enabled }}
topologySpreadConstraints:
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "castwarden.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end }}

{{/* A map of variables as a list, for containers. */}}
{{- define "castwarden.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "castwarden.workerAccount" -}}
{{- if .Values.rbac.clusterWide -}}
{{- .Values.worker.serviceAccount.name | default "default" -}}
{{- else -}}
{{- include "castwarden.serviceAccount" (dict "root" . "component" "worker") -}}
{{- end -}}
{{- end }}

{{- define "castwarden.downloadClaim" -}}
{{- if .Values.downloads.enabled -}}
{{- .Values.downloads.existingClaim | default (printf "%s-downloads" (include "castwarden.fullname" .)) -}}
{{- end -}}
{{- end }}

{{/* The selector of workers' Pods, by the labels that the operator gives them. */}}
{{- define "castwarden.workerPods" -}}
{matchLabels: {app.kubernetes.io/managed-by: castwarden, app.kubernetes.io/component: worker}}
{{- end }}

{{- define "castwarden.dnsEgress" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

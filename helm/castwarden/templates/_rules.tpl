{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{/* What the gateway does in a namespace that it looks after. */}}
{{- define "castwarden.rules.gateway" -}}
- apiGroups: [castwarden.dev]
  resources: [monitors, channels, downloadjobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [castwarden.dev] # by server-side apply
  resources: [monitors/status, channels/status, downloadjobs/status]
  verbs: [patch]
- apiGroups: [""] # whose Pod a token is bound to
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [batch] # POST /api/v1/channels/{id}/poll makes a Job from the CronJob
  resources: [cronjobs]
  verbs: [get]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [create]
{{- end }}

{{/* What the operator does there. */}}
{{- define "castwarden.rules.operator" -}}
- apiGroups: [castwarden.dev]
  resources: [monitors, channels, downloadjobs]
  verbs: [get, list, watch]
- apiGroups: [castwarden.dev] # by server-side apply
  resources: [monitors/status, channels/status, downloadjobs/status]
  verbs: [patch]
- apiGroups: [castwarden.dev] # owner references that block deletion, where the API server guards them
  resources: [monitors/finalizers, channels/finalizers, downloadjobs/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* (dict "root" $ "component" "gateway"): subjects of a binding */}}
{{- define "castwarden.subject" -}}
- kind: ServiceAccount
  name: {{ include "castwarden.serviceAccount" . }}
  namespace: {{ .root.Release.Namespace }}
{{- end }}

-- Ids that workers make are one only within their resource: nobody can use up another's.
alter table reports drop constraint reports_pkey, add primary key (uid, id);
alter table download_attempts drop constraint download_attempts_pkey, add primary key (uid, id);

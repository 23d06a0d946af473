-- no-transaction: each table is locked for a moment only, and never two at once.
set lock_timeout = '10s';
call wall_off('tenants', 'id = (select shown_tenant())');
call wall_off('api_keys');
call wall_off('resources');
call wall_off('reports');
call wall_off('events');
call wall_off('videos');
call wall_off('downloads');
call wall_off('download_attempts', 'exists (select from resources r where r.uid = download_attempts.uid)');
call wall_off('webhook_endpoints');
call wall_off('webhook_signing_keys');
call wall_off('webhook_deliveries');
call wall_off('webhook_dead');
call wall_off('webhook_attempts');
call wall_off('looks');
call wall_off('extraction_buckets');
call wall_off('idempotency_keys');
call wall_off('rate_buckets');

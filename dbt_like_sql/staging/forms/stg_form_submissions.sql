select
    source.channel_id,
    source.submission_id,
    source.submitted_at at time zone 'UTC' as submitted_at,
    source.received_at at time zone 'UTC' as received_at,
    source.form_id,
    source.email_key,
    source.phone_key,
    source.utm_source,
    source.utm_medium,
    source.utm_campaign,
    source.utm_term,
    source.utm_content,
    source.utm_id,
    source.landing_url,
    source.referrer,
    source.content_id,
    source.activity_id,
    source.gclid,
    source.consent_text_version,
    source.elapsed_ms,
    coalesce(source.is_suspect, false) as is_suspect,
    source.suspect_reason,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.form_submissions as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id

"""Mutants of the SQL of form capture: each must break a row that a pair of CSV files expects."""
# ruff: noqa: E501 (tables)

import pytest

from tests.golden.pairs.csv_pairs import BUILD_AT, broken_in, given
from tests.golden.sql_lab import SqlLab
from tests.params import choice

MUTANTS = {
    "submissions after as_of": ("int_form_inputs", "and forms.submitted_at <= clock.as_of_utc", ""),
    "the instant of as_of is left out": ("int_form_inputs", "forms.submitted_at <= clock.as_of_utc", "forms.submitted_at < clock.as_of_utc"),
    "submissions of a channel without data": ("int_form_inputs", "clock.has_data\n    and ", ""),
    "parameters of the landing page before the form's fields": ("int_touch_inputs", "coalesce(sources.normal, landings.utm_source_normal)", "case when sources.value is not null then sources.normal else landings.utm_source_normal end"),
    "blank click ids": ("int_form_inputs", "regexp_matches(replace(forms.gclid, '%20', ''), '[0-9A-Za-z]')", "forms.gclid is not null"),
    "no click ids of forms": ("int_form_inputs", "then cast(gclid.position as integer)", "then null"),
    "the item before the activity": ("int_form_inputs", "case when activities.normal is null then forms.content_id else forms.activity_id end", "coalesce(forms.content_id, forms.activity_id)"),
    "no item of the form": ("int_form_inputs", "case when activities.normal is null then forms.content_id else forms.activity_id end", "forms.activity_id"),
    "suspects are matched by e-mail": ("int_form_matches", "email_key is not null\n        and not is_suspect", "email_key is not null"),
    "suspects have content": ("form_submission", "and contents.touch_type = 'form_submit'", ""),
    "no second address": ("int_form_matches", "in ('email', 'secondary_email')", "in ('email')"),
    "kinds of keys are mixed": ("int_form_matches", "and forms.matched_by = lead_keys.matched_by\n            and ", "and "),
    "keys of contacts": ("int_form_matches", "where module = 'Leads'", ""),
    "keys of another channel": ("int_form_matches", "forms.channel_id = lead_keys.channel_id\n            and forms.matched_by", "forms.matched_by"),
    "leads of any age": ("int_form_matches", "where leads.created_at <= forms.submitted_at + parameters.forms_window_days * interval '1 day'", "where leads.created_at is not null"),
    "leads without a creation": ("int_form_matches", "where leads.created_at <=", "where leads.created_at is null or leads.created_at <="),
    "the window ends a second earlier": ("int_form_matches", "where leads.created_at <= forms", "where leads.created_at < forms"),
    "the window of the default": ("int_form_matches", "parameters.forms_window_days *", "90 *"),
    "the nearest lead before": ("int_form_matches", "case when is_after then 0 else 1 end,", "case when is_after then 1 else 0 end,"),
    "the farthest lead after": ("int_form_matches", "case when is_after then created_at end,", "case when is_after then created_at end desc,"),
    "the farthest lead before": ("int_form_matches", "case when not is_after then created_at end desc,", "case when not is_after then created_at end,"),
    "a lead of the same instant is before": ("int_form_matches", "leads.created_at >= forms.submitted_at as is_after", "leads.created_at > forms.submitted_at as is_after"),
    "the largest id": ("int_form_matches", "length(zoho_lead_id),", "length(zoho_lead_id) desc,"),
    "the smallest text": ("int_form_matches", "                length(zoho_lead_id),\n", ""),
    "phone beats e-mail": ("int_form_matches", "coalesce(by_email.zoho_lead_id, by_phone.zoho_lead_id) as zoho_lead_id", "coalesce(by_phone.zoho_lead_id, by_email.zoho_lead_id) as zoho_lead_id"),
    "matched by phone first": ("int_form_matches", "coalesce(by_email.matched_by, by_phone.matched_by)", "coalesce(by_phone.matched_by, by_email.matched_by)"),
    "no phones": ("int_form_matches", "coalesce(by_email.zoho_lead_id, by_phone.zoho_lead_id) as zoho_lead_id", "by_email.zoho_lead_id as zoho_lead_id"),
    "nothing is ambiguous": ("int_form_matches", "coalesce(by_email.zoho_lead_id <> by_phone.zoho_lead_id, false)", "false"),
    "two keys are ambiguous": ("int_form_matches", "coalesce(by_email.zoho_lead_id <> by_phone.zoho_lead_id, false)", "by_email.zoho_lead_id is not null and by_phone.zoho_lead_id is not null"),
    "a shorter day": ("int_form_matches", "submitted_at >= created_at - interval '24 hours'", "submitted_at > created_at - interval '24 hours'"),
    "a longer day": ("int_form_matches", "created_at - interval '24 hours'", "created_at - interval '86401 seconds'"),
    "a shorter hour": ("int_form_matches", "submitted_at <= created_at + interval '1 hour'", "submitted_at < created_at + interval '1 hour'"),
    "a longer hour": ("int_form_matches", "created_at + interval '1 hour'", "created_at + interval '3601 seconds'"),
    "the windows the other way round": ("int_form_matches", "submitted_at >= created_at - interval '24 hours'\n            and submitted_at <= created_at + interval '1 hour'", "submitted_at >= created_at - interval '1 hour'\n            and submitted_at <= created_at + interval '24 hours'"),
    "the first form created the lead": ("int_form_matches", "case when is_before then submitted_at end desc,\n                submitted_at,", "submitted_at,"),
    "a form after the creation created it": ("int_form_matches", "                case when is_before then 0 else 1 end,\n                case when is_before then submitted_at end desc,\n                submitted_at,", "                submitted_at desc,"),
    "the last form after the creation": ("int_form_matches", "desc,\n                submitted_at,\n", "desc,\n                submitted_at desc,\n"),
    "every near form created the lead": ("int_form_matches", "when is_near and place = 1 then 'creating'", "when is_near then 'creating'"),
    "the first place created the lead": ("int_form_matches", "when is_near and place = 1 then 'creating'", "when place = 1 then 'creating'"),
    "a form at the creation is later": ("int_form_matches", "submitted_at <= created_at as is_before", "submitted_at < created_at as is_before"),
    "the form wins": ("int_touch_inputs", "coalesce(normal.utm_content, creating.utm_content)", "coalesce(creating.utm_content, normal.utm_content)"),
    "the form's source wins": ("int_touch_inputs", "coalesce(normal.utm_source, creating.utm_source)", "coalesce(creating.utm_source, normal.utm_source)"),
    "forms fill no UTM source": ("int_touch_inputs", "coalesce(normal.utm_source, creating.utm_source)", "normal.utm_source"),
    "forms fill no raw source": ("int_touch_inputs", "coalesce(normal.utm_source_shown, creating.utm_source_shown)", "normal.utm_source_shown"),
    "forms fill no medium": ("int_touch_inputs", "coalesce(normal.utm_medium, creating.utm_medium)", "normal.utm_medium"),
    "forms fill no campaign": ("int_touch_inputs", "coalesce(normal.utm_campaign, creating.utm_campaign)", "normal.utm_campaign"),
    "forms fill no campaign to show": ("int_touch_inputs", "coalesce(normal.utm_campaign_shown, creating.utm_campaign_shown)", "normal.utm_campaign_shown"),
    "forms fill no content": ("int_touch_inputs", "coalesce(normal.utm_content, creating.utm_content)", "normal.utm_content"),
    "forms fill no term": ("int_touch_inputs", "coalesce(normal.utm_term_shown, creating.utm_term_shown)", "normal.utm_term_shown"),
    "forms fill no id": ("int_touch_inputs", "coalesce(normal.utm_id_shown, creating.utm_id_shown)", "normal.utm_id_shown"),
    "forms fill no click id": ("int_touch_inputs", "coalesce(normal.click_id_kind, creating.click_id_kind)", "normal.click_id_kind"),
    "forms fill no activity": ("int_touch_inputs", "coalesce(normal.activity_id, creating.activity_id)", "normal.activity_id"),
    "forms fill no landing page": ("int_touch_inputs", "coalesce(normal.landing_page, creating.landing_page)", "normal.landing_page"),
    "forms fill no referrer": ("int_touch_inputs", "coalesce(normal.referrer_page, creating.referrer_page)", "normal.referrer_page"),
    "the form's host with Zoho's page": ("int_touch_inputs", "case when normal.landing_page is null then creating.landing_host else normal.landing_host end", "coalesce(creating.landing_host, normal.landing_host)"),
    "the form's referrer with Zoho's": ("int_touch_inputs", "case when normal.referrer_page is null then creating.referrer_host else normal.referrer_host end", "coalesce(creating.referrer_host, normal.referrer_host)"),
    "earlier forms fill": ("int_touch_inputs", "matches.relation = 'creating'", "matches.relation in ('creating', 'earlier')"),
    "a form that fills nothing is mixed": ("int_touch_inputs", "        when not coalesce(\n", "        when creating.record_id is null and not coalesce(\n"),
    "filled by the term alone": ("int_touch_inputs", "or (normal.utm_term_shown is null and creating.utm_term_shown is not null)", ""),
    "filled by the click id alone": ("int_touch_inputs", "or (normal.click_id_kind is null and creating.click_id_kind is not null)", ""),
    "nothing is mixed": ("int_touch_inputs", "is not null then 'mixed'", "is not null then 'zoho'"),
    "the full confidence by e-mail": ("int_touch_matches", "when matched_by = 'email' then 0.95", "when matched_by = 'email' then 1"),
    "the full confidence by phone": ("int_touch_matches", "when matched_by = 'phone' then 0.85", "when matched_by = 'phone' then 0.95"),
    "less confidence in Zoho's values": ("int_touch_matches", "            when touch_input_basis = 'zoho' then 1\n", ""),
    "later forms are touches": ("int_form_credits", "where forms.relation = 'earlier'", "where forms.relation in ('earlier', 'later')"),
    "later forms take credit": ("int_lead_matches", "where forms.relation = 'earlier'", "where forms.relation in ('earlier', 'later')"),
    "no credit for earlier forms": ("int_lead_matches", "form.zoho_lead_id is not null as has_form_submit", "false as has_form_submit"),
    "the form before the visit": ("int_lead_matches", "and (visit.content_id is null or form.touch_at >= visit.touch_at)", ""),
    "the visit before the form": ("int_lead_matches", "form.touch_at >= visit.touch_at", "false"),
    "the form before the creation": ("int_lead_matches", "            when creation.content_id is not null then 'lead_creation'\n", ""),
    "the form's confidence is that of the visit": ("int_lead_matches", "when 'form_submit' then form_match_confidence", "when 'form_submit' then first_visit_match_confidence"),
    "unmatched forms take credit": ("int_form_credits", "numbered.content_id is not null\n        or", "numbered.content_id is not null or numbered.touch_type = 'form_submit'\n        or"),
    "credited touches alone have a number": ("int_form_credits", "    from touches\n),", "    from touches\n    where content_id is not null or touch_type = 'lead_creation'\n),"),
    "touches by their kind": ("int_form_credits", "order by touch_at, type_order,", "order by type_order, touch_at,"),
    "the form after the creation of the same instant": ("int_form_credits", "2 as type_order", "4 as type_order"),
    "forms of one instant the other way round": ("int_form_credits", "submission_id collate \"C\"\n        ) as touch_seq", "submission_id collate \"C\" desc\n        ) as touch_seq"),
    "the first and the last share all": ("int_form_credits", "then 0.4\n", "then 0.5\n"),
    "the middle touches each have a fifth": ("int_form_credits", "0.2 / cast(credited.n_credited - 2 as double)", "0.2"),
    "two touches of four tenths": ("int_form_credits", "when credited.n_credited <= 2 then", "when credited.n_credited <= 1 then"),
    "half-lives of a day": ("int_form_credits", "(86400 * parameters.time_decay_half_life_days)", "86400"),
    "the rounded shares do not make one": ("int_form_credits", "when place < n_credited then share", "when true then share"),
    "the residual cent on the last": ("int_form_credits", "order by credits.credit desc, credits.touch_seq", "order by credits.credit desc, credits.touch_seq desc"),
    "the residual cent on the first": ("int_form_credits", "order by credits.credit desc, credits.touch_seq", "order by credits.touch_seq"),
    "a lost cent of three": ("int_form_credits", "when size_rank > 1 then rounded_revenue", "when true then rounded_revenue"),
    "earlier forms capture": ("lead", "and forms.relation = 'creating'", "and forms.relation = 'earlier'"),
    "nobody is captured": ("lead", "then 'landing_page' else", "then 'zoho_crm' else"),
    "earlier forms capture recent leads": ("recent_lead", "and forms.relation = 'creating'", "and forms.relation = 'earlier'"),
    "newer leads are captured by nobody": ("recent_lead", "        when attribution.zoho_lead_id is null then null\n", ""),
    "unmatched forms are left out": ("form_submission", "left join int_touch_matches as contents", "inner join int_touch_matches as contents"),
    "the raw spelling of the source": ("form_submission", "inputs.utm_source_shown as utm_source", "forms.utm_source"),
}  # fmt: skip


@pytest.fixture(scope="module")
def forms_lab() -> SqlLab:
    return SqlLab(given(), BUILD_AT)


@pytest.mark.parametrize("name", choice(MUTANTS, list(MUTANTS)[::5]))
def test_a_mistake_breaks_a_row(name: str, forms_lab: SqlLab) -> None:
    with forms_lab.mutated(*MUTANTS[name]) as marts:
        assert any(broken_in(mart, forms_lab.rows(mart)) for mart in marts)

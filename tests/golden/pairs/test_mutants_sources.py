"""Mutants of the SQL of sources, channels and credits: each must break a row that a pair of CSV files expects."""
# ruff: noqa: E501 (tables)

import pytest

from tests.golden.pairs.csv_pairs import BUILD_AT, broken_in, given
from tests.golden.sql_lab import SqlLab
from tests.params import choice

MISSING_UTM = "when utm_missing.name is null and referrers.utm_source is not null then 'utm_source'"
CLICK = "            when clicks.click_id_kind is not null then 'click_id'\n"
REFERRER = "            when referrers.referrer_host is not null then 'referrer'\n"
KNOWN = "names.source_class is not null\n                or ("
PAID = "when is_paid and observed_class"
MUTANTS = {
    "missing words of the picklist": (
        "int_lead_sources",
        "case when declared_missing.name is null then declared.normal end as declared_name",
        "declared.normal as declared_name",
    ),
    "missing words of utm_source": ("int_lead_sources", MISSING_UTM, MISSING_UTM.replace("utm_missing.name is null and ", "")),
    "a map cannot say unknown": ("int_lead_sources", "when missing.name is not null then 'Unknown'", "when false then ''"),
    "no click ids": ("int_lead_sources", CLICK, ""),
    "referrer before click id": ("int_lead_sources", CLICK + REFERRER, REFERRER + CLICK),
    "click ids past the map": ("int_lead_sources", "when 'click_id' then click_name\n", "when 'click_id' then click_id_kind\n"),
    "the source of the click id as raw": (
        "int_lead_sources",
        "when 'click_id' then click_id_kind\n            when 'referrer' then referrer_host\n        end as observed_raw",
        "when 'click_id' then click_source\n            when 'referrer' then referrer_host\n        end as observed_raw",
    ),
    "own hosts are referrers": ("int_lead_sources", KNOWN, "true or ("),
    "own hosts of the catalogue alone": (
        "int_lead_sources",
        "own_sites.site is null and coalesce(inputs.referrer_site <> inputs.landing_site, true)",
        "own_sites.site is null",
    ),
    "own hosts of the landing page alone": ("int_lead_sources", "own_sites.site is null and ", ""),
    "the catalogue of another channel": (
        "int_lead_sources",
        "inputs.channel_id = own_sites.channel_id\n            and inputs.referrer_site",
        "inputs.referrer_site",
    ),
    "the same host alone is own": (
        "int_lead_sources",
        "coalesce(inputs.referrer_site <> inputs.landing_site, true)",
        "coalesce(inputs.referrer_host <> inputs.landing_host, true)",
    ),
    "known hosts can be own": ("int_lead_sources", KNOWN, "("),
    "names are found like hosts": (
        "int_lead_sources",
        "(observed.observed_basis = 'referrer') = observed_common.is_host",
        "(observed.observed_basis is not null) = observed_common.is_host",
    ),
    "no sites": ("int_source_names", "on hosts.site = by_site.name", "on false"),
    "no families": ("int_source_names", "on hosts.family || '.*' = by_family.name", "on false"),
    "families by the site": ("int_source_names", "on hosts.family || '.*'", "on split_part(hosts.site, '.', 1) || '.*'"),
    "the family before the host": (
        "int_source_names",
        "coalesce(of_name.source_class, of_site.source_class, of_source.source_class)",
        "coalesce(of_source.source_class, of_name.source_class, of_site.source_class)",
    ),
    "classes without sites": ("int_source_names", "of_name.source_class, of_site.source_class,", "of_name.source_class,"),
    "classes of hosts alone": ("int_source_names", ", of_source.source_class)", ")"),
    "names of the classes alone are unknown": ("int_source_names", "where map_names.name is null", "where false"),
    "blank click ids count": (
        "int_lead_fields",
        "where regexp_matches(replace(value, '%20', ''), '[0-9A-Za-z]')",
        "where value is not null",
    ),
    "escaped blanks are a click id": ("int_lead_fields", "replace(value, '%20', '')", "value"),
    "the last click id": ("int_lead_fields", "min(click_id_position)", "max(click_id_position)"),
    "no campaigns in Zoho's own fields": (
        "int_lead_fields",
        "coalesce(leads.custom_fields ->> names.utm_campaign, own.utm_campaign)",
        "leads.custom_fields ->> names.utm_campaign",
    ),
    "no click ids in Zoho's own fields": (
        "int_lead_fields",
        "coalesce(leads.custom_fields ->> field_map.api_name, own_values.value)",
        "leads.custom_fields ->> field_map.api_name",
    ),
    "the field's click id before the URL's": (
        "int_touch_inputs",
        "least(touches.click_id_position, cast(landing_clicks.position as integer))",
        "coalesce(touches.click_id_position, cast(landing_clicks.position as integer))",
    ),
    "the URL's click id before the field's": (
        "int_touch_inputs",
        "least(touches.click_id_position, cast(landing_clicks.position as integer))",
        "coalesce(cast(landing_clicks.position as integer), touches.click_id_position)",
    ),
    "terms in normal text": ("int_touch_inputs", "coalesce(terms.shown,", "coalesce(terms.normal,"),
    "terms of the field alone": ("int_touch_inputs", "coalesce(terms.shown, landings.utm_term)", "terms.shown"),
    "ids as they were received": ("int_touch_inputs", "coalesce(ids.shown,", "coalesce(ids.raw,"),
    "campaigns in normal text": ("int_touch_inputs", "coalesce(campaigns.shown,", "coalesce(campaigns.normal,"),
    "campaigns as they were received": ("int_touch_inputs", "coalesce(campaigns.shown,", "coalesce(campaigns.raw,"),
    "contents as they were received": ("int_touch_inputs", "coalesce(contents.shown,", "coalesce(contents.value,"),
    "media in normal text": ("int_touch_inputs", "coalesce(mediums.shown,", "coalesce(mediums.normal,"),
    "start pages without a path": ("int_touch_inputs", "coalesce(landings.path, '') end", "landings.path end"),
    "own referrers are not shown": (
        "lead_source_attribution",
        "    inputs.referrer_host,\n",
        "    case when sources.observed_basis = 'referrer' then inputs.referrer_host end as referrer_host,\n",
    ),
    "paid by the whole word": ("int_lead_channels", "inputs.utm_medium like '%cp%'", "inputs.utm_medium = 'cpc'"),
    "paid anywhere": ("int_lead_channels", "like 'paid%'", "like '%paid%'"),
    "paid by a part of ppc": ("int_lead_channels", "in ('ppc', 'retargeting')", "like 'ppc%' or inputs.utm_medium = 'retargeting'"),
    "retargeting is not paid": ("int_lead_channels", "('ppc', 'retargeting')", "('ppc')"),
    "no paid search": ("int_lead_channels", PAID + " = 'search'", PAID + " = ''"),
    "no paid social": ("int_lead_channels", PAID + " = 'social'", PAID + " = ''"),
    "no paid video": ("int_lead_channels", PAID + " = 'video'", PAID + " = ''"),
    "paid before display": (
        "int_lead_channels",
        "when medium in ('display', 'banner', 'expandable', 'interstitial', 'cpm') then 'Display'\n        when is_paid then 'Paid Other'",
        "when is_paid then 'Paid Other'\n        when medium in ('display', 'banner', 'expandable', 'interstitial', 'cpm') then 'Display'",
    ),
    "display before search": ("int_lead_channels", PAID + " = 'search'", "when is_paid and medium <> 'cpm' and observed_class = 'search'"),
    "banners forgotten": ("int_lead_channels", "'banner', ", ""),
    "social media forgotten": ("int_lead_channels", ", 'social media')", ")"),
    "video by the whole word": ("int_lead_channels", "medium like '%video%'", "medium = 'video'"),
    "no organic medium": ("int_lead_channels", " or medium = 'organic'", ""),
    "email before app": (
        "int_lead_channels",
        "when medium in ('referral', 'app', 'link') then 'Referral'\n        when observed_class = 'email'",
        "when medium in ('referral', 'link') then 'Referral'\n        when observed_class = 'email'",
    ),
    "email by its medium alone": ("int_lead_channels", "observed_class = 'email' or ", ""),
    "email by its source alone": ("int_lead_channels", " or medium in ('email', 'e-mail', 'e_mail', 'e mail')", ""),
    "affiliates forgotten": ("int_lead_channels", "when medium = 'affiliate' then 'Affiliates'\n", ""),
    "audio forgotten": ("int_lead_channels", "when medium = 'audio' then 'Audio'\n", ""),
    "sms by its source alone": ("int_lead_channels", " or medium = 'sms'", ""),
    "sms by its medium alone": ("int_lead_channels", "observed_class = 'sms' or ", ""),
    "shops are a channel": ("int_lead_channels", "when observed_basis is not null then 'Referral'", "when observed_basis is not null and coalesce(observed_class, '') <> 'shopping' then 'Referral'"),
    "click ids say nothing": ("int_lead_channels", "when is_click or (is_of_click and not has_medium)", "when false"),
    "click ids only as the source": ("int_lead_channels", " or (is_of_click and not has_medium)", ""),
    "click ids before the medium": ("int_lead_channels", "(is_of_click and not has_medium)", "is_of_click"),
    "any click id": ("int_lead_channels", "(is_of_click and not has_medium)", "(click_channel is not null and not has_medium)"),
    "Facebook's clicks are never paid": ("int_lead_channels", "case when is_paid and click_channel = 'Organic Social' then 'Paid Social' else click_channel end", "click_channel"),
    "Facebook's clicks are always paid": ("int_lead_channels", "when is_paid and click_channel =", "when click_channel ="),
    "the picklist before the visit": ("int_lead_channels", "when has_web_evidence then 'Direct'", "when has_web_evidence and not is_declared then 'Direct'"),
    "first visits are no visits": ("int_lead_channels", "or inputs.has_first_visit as", "as"),
    "landing pages are no visits": ("int_lead_channels", "            inputs.landing_page,\n", ""),
    "own referrers are no visits": ("int_lead_channels", "            inputs.landing_page,\n            inputs.referrer_host\n", "            inputs.landing_page\n"),
    "terms are no visits": ("int_lead_channels", "            inputs.utm_term_shown,\n", ""),
    "a missing word is no visit": ("int_lead_channels", "            inputs.utm_source_shown,\n            inputs.utm_medium_shown,\n", ""),
    "words are offline": ("int_lead_channels", "when declared_class = 'social' then 'Organic Social'\n", ""),
    "words of search are offline": ("int_lead_channels", "when declared_class = 'search' then 'Organic Search'\n", ""),
    "words of video are offline": ("int_lead_channels", "when declared_class = 'video' then 'Organic Video'\n", ""),
    "email words are referrals": ("int_lead_channels", "when declared_class = 'email' then 'Email'\n", ""),
    "sms words are referrals": ("int_lead_channels", "when declared_class = 'sms' then 'SMS'\n", ""),
    "words of shops are offline": ("int_lead_channels", "when declared_class is not null then 'Referral'\n", ""),
    "the class of the channel's own name": (
        "int_lead_sources",
        "declared_common.source_class as declared_class",
        "(select max(c.source_class) from seed_source_classes as c where c.source = declared_own.source_key) as declared_class",
    ),
    "nothing is offline": ("int_lead_channels", "when is_declared then 'Offline'\n", ""),
    "unmatched visits take credit": ("lead_touch_credit", "        first_visit_content_id is not null\n", "        has_first_visit\n"),
    "an unmatched creation takes credit": ("lead_touch_credit", "(created_content_id is not null or first_visit_content_id is null)", "true"),
    "leads without content have no credit": ("lead_touch_credit", "(created_content_id is not null or first_visit_content_id is null)", "created_content_id is not null"),
    "credited touches alone are numbered": ("lead_touch_credit", "case when has_first_visit then 2 else 1 end", "case when first_visit_content_id is not null then 2 else 1 end"),
    "an unmatched visit shares": ("lead_touch_credit", "first_visit_content_id is not null as is_shared", "has_first_visit as is_shared"),
    "the content of the creation alone": ("int_lead_matches", "when 'first_visit' then first_visit_content_id\n", "when 'first_visit' then created_content_id\n"),
    "the rule of the creation alone": ("int_lead_matches", "then first_visit_match_rule", "then created_match_rule"),
    "the confidence of the creation alone": ("int_lead_matches", "then first_visit_match_confidence", "then created_match_confidence"),
    "the content of the first visit": ("int_lead_matches", "when creation.content_id is not null then 'lead_creation'", "when creation.content_id is not null and visit.content_id is null then 'lead_creation'"),
    "another default model": ("content_performance", "cast(models.is_default as boolean)", "models.model = 'linear'"),
    "no default credit": ("lead_touch_credit", "cast(models.is_default as boolean)", "false"),
    "the view has all models": ("content_performance_default", "where is_default", ""),
    "the view has all stages": ("conversion_rate_headline", "stage = 'deal'\n    and ", ""),
    "the headline is the young rate": ("conversion_rate_headline", "'matured_30d'", "'rolling_30d'"),
    "every stage is the headline": ("conversion_rate", "stage = 'deal' and definition = 'matured_30d' as is_headline", "true as is_headline"),
    "topics may be called (none)": ("int_content_topics", "where texts.normal <> '(none)'", ""),
    "a map to Unknown is not named": ("data_problem", "where lead_source = 'Unknown' and lead_source_basis <> 'unknown'", "where false"),
    "a campaign (none) is not named": ("data_problem", "and utm_campaign = '(none)'", "and false"),
    "campaigns may be called (none)": ("int_lead_campaigns", "and utm_campaign <> '(none)'", "and utm_campaign is not null"),
    "campaigns by spelling": ("int_lead_campaigns", "    ranked.utm_campaign_shown as campaign", "    campaigns.utm_campaign_shown as campaign"),
    "campaigns in their smallest spelling": ("int_lead_campaigns", "order by count(*) desc, ", "order by "),
    "owners by the name of the lead": ("metric_dimension_values", "coalesce(max(users.full_name), max(leads.owner_name collate \"C\"), leads.owner_id)", "coalesce(max(leads.owner_name), max(users.full_name), leads.owner_id)"),
    "owners without a name": ("metric_dimension_values", ", max(leads.owner_name collate \"C\"), leads.owner_id)", ", max(leads.owner_name))"),
    "owners of deleted users have no name": ("metric_dimension_values", ", max(leads.owner_name collate \"C\"), leads.owner_id)", ", leads.owner_id)"),
    "items without a title have no label": ("metric_dimension_values", "coalesce(title, content_id)", "title"),
    "Unknown leads are a problem": ("data_problem", " and lead_source_basis <> 'unknown'", ""),
    "a topic (none) is not named": ("data_problem", "where topics.normal = '(none)'", "where false"),
    "a content type (none) is not named": ("data_problem", "where texts.normal = '(none)'", "where false"),
    "content types may be called (none)": ("int_content_types", "where texts.normal <> '(none)'", ""),
    "content types by spelling": ("int_content_types", "    ranked.shown as content_type", "    types.shown as content_type"),
    "content types in their smallest spelling": (
        "int_content_types",
        "order by count(*) desc, shown",
        "order by shown",
    ),
    "content types of items as they are spelled": ("content_item", "types.content_type", "items.content_type"),
    "content types of leads as they are spelled": (
        "lead_source_attribution",
        "    types.content_type",
        "    content.content_type",
    ),
    "content types of numbers as they are spelled": (
        "content_performance",
        "        types.content_type",
        "        items.content_type",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def sources_lab() -> SqlLab:
    return SqlLab(given(), BUILD_AT)


@pytest.mark.parametrize("name", choice(MUTANTS, list(MUTANTS)[::5]))
def test_a_mistake_breaks_a_row(name: str, sources_lab: SqlLab) -> None:
    with sources_lab.mutated(*MUTANTS[name]) as marts:
        assert any(broken_in(mart, sources_lab.rows(mart)) for mart in marts)

"""The commands `forms …`: the form keys of a channel, what came by them, and forgetting a person."""

from dataclasses import asdict

import click

from zoho_pipeline.cli.channels import channel_argument
from zoho_pipeline.cli.output import format_option, print_json, print_list, say
from zoho_pipeline.cli.session import Session

_SHOWN = ("form_key", "origins", "stored", "suspect", "no_consent", "last_at", "created_at")
_SUBMISSION = ("submission_id", "submitted_at", "state", "form_id", "utm_source", "utm_campaign", "suspect_reason")


@click.group(short_help="Forms of landing pages: keys, submissions, forgetting.")
def forms() -> None:
    """Let the forms of landing pages tell where a lead came from. What a form sends about a person is hashed before it
    is stored.

    \b
    Example:
      zoho-pipeline forms keys add acme --origin https://www.acme.example
    """


@forms.group(short_help="The form keys of a channel.")
def keys() -> None:
    """Make and delete form keys. A form key is public: everybody can read it in the HTML of the page."""


@keys.command(short_help="Make a form key.")
@channel_argument
@click.option("--origin", "origins", metavar="O", multiple=True, help="The origin of a page with the form. Repeat it.")
@click.option("--new-salt", is_flag=True, help="Make a new salt if no key decrypts that of the channel.")
@format_option
def add(channel_id: str, origins: tuple[str, ...], new_salt: bool, output: str) -> None:
    """Make a form key for a channel, and print the line for the page. The secret (whsec_…) is shown once.

    A browser may post from these origins only. Without --origin, only a server can post: with an API key that has
    the scope forms, or with the signature of the secret.

    The hashes of a channel need its salt, which the registry encrypts. If the key is lost, --new-salt makes a new
    salt. Forms that were sent before then match no lead, and `forms forget` does not find them. They are deleted when
    their time is over.

    \b
    Examples:
      zoho-pipeline forms keys add acme --origin https://www.acme.example
      zoho-pipeline forms keys add acme --format json
    """
    from zoho_pipeline.channels.forms.form_keys import FormKeys
    from zoho_pipeline.channels.platform.audit import Audit
    from zoho_pipeline.service_settings import load_service_settings

    service, session = load_service_settings(), Session()
    channel = session.registry.get(channel_id)
    found, secret = FormKeys(session.registry).add(channel_id, origins, new_salt=new_salt)
    Audit(session.registry.database).record(
        "operator", "forms.key_added", tenant=channel.tenant, channel_id=channel_id, detail=found.form_key
    )
    if output == "json":
        print_json(asdict(found) | {"secret": secret.reveal()})
        return
    say(f"Form key {found.form_key} posts to channel {channel_id}. Pages: {', '.join(found.origins) or 'none'}.")
    say(f"Its secret for servers, which is shown only now:\n\n  {secret.reveal()}\n")
    tag = f'<script async src="{service.public_url}/forms.js" data-key="{found.form_key}" data-consent="#consent">'
    say(f"The line for the page (docs/forms.md explains it):\n\n  {tag}</script>\n")


@keys.command(short_help="Delete a form key.")
@click.argument("form_key", metavar="KEY")
@format_option
def remove(form_key: str, output: str) -> None:
    """Delete a form key. Nobody can post by it from now on. The submissions that it brought stay.

    \b
    Example:
      zoho-pipeline forms keys remove fk_0123456789abcdef01234567
    """
    from zoho_pipeline.channels.forms.form_keys import FormKeys
    from zoho_pipeline.channels.platform.audit import Audit

    session = Session()
    gone = FormKeys(session.registry).remove(form_key)
    tenant = session.registry.get(gone.channel_id, damaged_too=True).tenant
    Audit(session.registry.database).record(
        "operator", "forms.key_removed", tenant=tenant, channel_id=gone.channel_id, detail=form_key
    )
    if output == "json":
        print_json({"form_key": form_key, "channel_id": gone.channel_id, "removed": True})
    else:
        say(f"Form key {form_key} of channel {gone.channel_id} is deleted.")


@forms.command("list", short_help="The form keys of a channel, or its submissions.")
@channel_argument
@click.option("--submissions", is_flag=True, help="List the newest submissions, without any hash of a person.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Submissions to list.")
@format_option
def list_forms(channel_id: str, submissions: bool, limit: int, output: str) -> None:
    """List the form keys of a channel with what came by them: stored, suspect, and without consent.

    With --submissions, list the newest submissions instead.

    \b
    Examples:
      zoho-pipeline forms list acme
      zoho-pipeline forms list acme --submissions --format json
    """
    from zoho_pipeline.channels.forms.form_keys import FormKeys
    from zoho_pipeline.forms.listing import newest_submissions

    session = Session()
    session.registry.get(channel_id, damaged_too=True)
    if submissions:
        rows = newest_submissions(session.registry, session.warehouse, channel_id, limit)
        print_list(rows, output, "No form has sent anything to this channel.", _SUBMISSION)
        return
    found = [asdict(key) for key in FormKeys(session.registry).list(channel_id)]
    print_list(found, output, f"There is no form key. Make one with: zoho-pipeline forms keys add {channel_id}", _SHOWN)


@forms.command(short_help="Delete what a person sent by forms.")
@channel_argument
@click.option("--email", metavar="E", default="", help="The e-mail address of the person.")
@click.option("--phone", metavar="P", default="", help="The phone number of the person.")
@format_option
def forget(channel_id: str, email: str, phone: str, output: str) -> None:
    """Delete the submissions of a person, and publish the marts without them. The address itself is stored nowhere.

    A lead in Zoho stays: delete it there, and the next sync deletes its hashes. DuckDB's file is written anew, which
    needs free disk space of its size.

    \b
    Examples:
      zoho-pipeline forms forget acme --email asha@acme.example
      zoho-pipeline forms forget acme --phone "+91 98765 43210"
    """
    from zoho_pipeline.cli.marts import run_transform
    from zoho_pipeline.cli.progress import working
    from zoho_pipeline.forms.forget import forget as forget_person
    from zoho_pipeline.reading.published import connect as connect_published
    from zoho_pipeline.transform.errors import NotPublished

    if not (email or phone):
        raise click.UsageError("give --email or --phone.")
    session = Session()
    shown = output == "table"
    with working("Deleting the submissions", shown):
        done = forget_person(session.registry, session.warehouse, channel_id, email=email, phone=phone)
    try:  # also where nothing was found: an earlier call may have ended before this step
        with connect_published(session.warehouse):
            pass
        run_transform(session, show=shown)
    except NotPublished:
        pass
    if output == "json":
        print_json({"channel_id": channel_id, "forgotten": done.submissions})
        return
    say(f"{done.submissions} submissions of this person were deleted from channel {channel_id}.")

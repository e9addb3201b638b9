"""The app that Streamlit runs, once for each view of a page: the choice of a channel and of a view.

`zoho-pipeline dashboard` starts it. An app of your own calls `main` with more views (docs/dashboard.md).
"""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from zoho_pipeline.dashboard.questions import CHANNELS, ask
from zoho_pipeline.dashboard.views import VIEWS, View
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.warehouse.connection import SqlError

OTHER_RELEASE = "If another release made the marts, run: zoho-pipeline transform --full"
TITLE = "Zoho CRM: from lead to deal"


def main(views: Sequence[View] = VIEWS) -> None:
    """Draw the chosen view of the chosen channel."""
    st.set_page_config(page_title=TITLE, layout="wide")
    try:
        channels = {row.channel_id: row for row in ask(CHANNELS)["channels"].itertuples()}
        if not channels:
            st.info("There is no channel yet. Connect one: zoho-pipeline connect ID")
            return
        asked = st.query_params.get("channel")
        if asked is not None and asked not in channels:
            st.warning("The link names a channel that is not in the marts. This is another one.")
        chosen = st.sidebar.selectbox(
            "Channel",
            list(channels),
            format_func=lambda name: _label(channels[name]),
            key="channel",
            bind="query-params",  # so that a link leads to a channel
        )
        pages = [
            st.Page(_page(view, channels[chosen]), title=view.name, url_path=view.path, default=view is views[0])
            for view in views
        ]
        st.navigation(pages).run()
    except PipelineError as error:
        st.error("The marts cannot be read.")
        st.text(str(error))
        if isinstance(error, SqlError) and error.kind != "InsufficientPrivilege":  # that one names its cure
            st.text(OTHER_RELEASE)


def _page(view: View, channel: Any) -> Callable[[], None]:
    def draw() -> None:
        st.title(view.name)
        view.draw(ask(view.asks, channel.channel_id), None if pd.isna(channel.currency) else channel.currency)

    return draw


def _label(channel: Any) -> str:
    return str(channel.channel_id if pd.isna(channel.org_name) else f"{channel.org_name} ({channel.channel_id})")


if __name__ == "__main__":  # Streamlit runs the file as a program
    main()

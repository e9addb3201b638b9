"""The folder of the demo: one command at a time makes it anew, and none while a server of the demo uses it."""

from pathlib import Path

import pytest

from zoho_pipeline.cli.demo.place import UI, WEB, fresh_place, in_use, is_in_use, used_place
from zoho_pipeline.settings import PipelineError


@pytest.mark.parametrize("part", [WEB, UI])
def test_a_server_that_uses_the_data_keeps_a_new_demo_from_removing_them(tmp_path: Path, part: str) -> None:
    with fresh_place(tmp_path) as place:
        place.state.write_text("{}")
    with in_use(tmp_path, part):
        with pytest.raises(PipelineError, match=f"demo --{part}.*Ctrl-C"), fresh_place(tmp_path):
            pass
        assert place.state.exists()
        assert is_in_use(tmp_path, part)
    assert not is_in_use(tmp_path, part)
    with fresh_place(tmp_path):
        assert not place.state.exists()


def test_two_demos_at_once_in_one_folder_are_refused(tmp_path: Path) -> None:
    with (
        fresh_place(tmp_path),
        pytest.raises(PipelineError, match=r"another command of the demo \(`demo`"),
        fresh_place(tmp_path),
    ):
        pass


def test_the_web_server_and_the_ui_may_use_the_data_together(tmp_path: Path) -> None:
    with in_use(tmp_path, WEB), in_use(tmp_path, UI):
        assert is_in_use(tmp_path, WEB)
        assert is_in_use(tmp_path, UI)


@pytest.mark.parametrize("part", [WEB, UI])
def test_a_server_says_that_the_demo_is_being_made(tmp_path: Path, part: str) -> None:
    with (
        fresh_place(tmp_path),
        pytest.raises(PipelineError, match=r"is making the demo .* at the moment\. Wait for its end"),
        used_place(tmp_path, part),
    ):
        pass
    with pytest.raises(PipelineError, match="did not finish"), used_place(tmp_path, part):
        pass


def test_a_folder_without_a_demo_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="there is no demo in"), used_place(tmp_path, WEB):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "demo-web.lock").mkdir()
    with pytest.raises(PipelineError, match=r"demo-web\.lock cannot be used .*Remove it"), in_use(tmp_path, WEB):
        pass

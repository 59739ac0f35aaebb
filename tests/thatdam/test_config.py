"""File < environment < flags; an error names the key."""

import pytest

from thatdam.config import ConfigError, load


def test_flags_win_over_environment_over_file(tmp_path):
    file = tmp_path / "t.toml"
    file.write_text('[mesh]\nport = 1001\ncopies = 2\nzone = "attic"\n')
    config = load(file, {"THATDAM_MESH_PORT": "1002", "THATDAM_MESH_COPIES": "4"}, {"mesh.port": 1003})
    assert (config.mesh.port, config.mesh.copies, config.mesh.zone) == (1003, 4, "attic")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mesh]\nprot = 1\n", "mesh.prot"),
        ('[mesh]\nport = "x"\n', "mesh.port"),
        ("[mesh]\nport = 70000\n", "mesh.port"),
        ('[node]\nroles = ["baker"]\n', "baker"),
        ("[mesh\n", "TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, said):
    file = tmp_path / "t.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load(file, {})


def test_the_secret_is_never_shown():
    assert "hush" not in repr(load(None, {"THATDAM_SECRET": "hush"}))

import numpy as np
import pytest

from vidformats.history.environment import check_versions, versions_of

NAME = "virtualenv-py3.11-click8.5.1-h5py3.16.0-numpy2.4.6-opencv-python5.0.0.93"


def test_versions_are_read_from_a_name():
    assert versions_of(NAME) == {
        "py": "3.11",
        "click": "8.5.1",
        "h5py": "3.16.0",
        "numpy": "2.4.6",
        "opencv-python": "5.0.0.93",
    }


def test_what_is_imported_is_accepted():
    import h5py

    check_versions(f"virtualenv-numpy{np.__version__}-h5py{h5py.__version__}")


def test_every_false_claim_is_named():
    with pytest.raises(RuntimeError, match=r"numpy is .*, h5py is .*, nosuchlibrary is missing, py is") as caught:
        check_versions("virtualenv-numpy0.0.1-h5py0.0.2-nosuchlibrary1.0-py2.7")
    assert "0.0.2" in str(caught.value)


def test_the_claim_is_asvs_own(monkeypatch):
    monkeypatch.setenv("ASV_ENV_NAME", "virtualenv-numpy0.0.1")
    with pytest.raises(RuntimeError, match="numpy is"):
        check_versions()


def test_an_environment_not_made_by_asv_claims_nothing(monkeypatch):
    monkeypatch.setenv("ASV_ENV_NAME", "existing-py_opt_numpy0.0.1")
    check_versions()
    monkeypatch.delenv("ASV_ENV_NAME")
    check_versions()


def test_another_import_than_the_installed_is_told(monkeypatch):
    monkeypatch.setattr(np, "__version__", "0.0.1")
    with pytest.raises(RuntimeError, match=r"installed, 0\.0\.1 imported"):
        check_versions("virtualenv-numpy2.4.6")

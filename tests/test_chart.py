"""What the chart and the Compose file promise: the same processes as `soulfra run`, guarded, and set by real settings.

Run by `make check-chart`, which builds Helm. No container runs here: these read what would be started.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml

from cli.local.run import health_ports, parts, topics_applied
from config import Settings, every_key, metrics, name_of

pytestmark = pytest.mark.chart

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm"
KUBERNETES = "1.36"
VALUES = ("minimal", "full")
ONE_SHOT = "topics"
ENVIRONMENT = {name_of(key) for key in every_key()} | {"SOULFRA_SECRETS_DIR"}
SECRETS = {f"SOULFRA_{name}" for name in ("KEYS__INSTALLATION", "KAFKA__SASL_PASSWORD", "REDIS__URL", "WORDING__KEY")}
LAPTOP_ONLY = re.compile(
    r"SOULFRA_(LOCAL__\w+|AUTH__TOKEN_DAYS|OBJECTS__UNFINISHED_SECONDS|TELEMETRY__\w+_PORT|EDGE__PORT)"
)
Yaml = dict[str, Any]


def helm(*words: str, values: str = "minimal") -> subprocess.CompletedProcess[str]:
    program = next(ROOT.glob(".tools/helm-v3*/helm"), None)
    assert program, "there is no Helm in .tools/; run helm/check.sh, which builds it"
    given = ["--kube-version", KUBERNETES, "--values", f"{CHART}/ci/{values}.yaml", *words]
    argv = [str(program), "template", "soulfra", str(CHART), *given]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@cache
def objects(values: str, *words: str) -> list[Yaml]:
    done = helm(*words, values=values)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def of_kind(kind: str, values: str = "minimal", *words: str) -> list[Yaml]:
    return [found for found in objects(values, *words) if found["kind"] == kind]


def pods(values: str, *words: str) -> dict[str, tuple[Yaml, Yaml, Yaml]]:
    """By process: the object that makes its pods, the pod and its only container."""
    found = {}
    for made in objects(values, *words):
        if "template" in made.get("spec", {}):
            pod = made["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            found[container["name"]] = (made, pod, container)
    return found


def env(container: Yaml) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


@cache
def compose() -> Yaml:
    read: Yaml = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return read


def services() -> dict[str, Yaml]:
    return dict(compose()["services"])


def ours() -> dict[str, Yaml]:
    return {name: service for name, service in services().items() if service["image"].startswith("soulfra:")}


def launched() -> dict[str, list[str]]:
    """What `soulfra run` starts: the words after `python -m cli`."""
    now = Settings()
    started = topics_applied() + parts(now, health_ports(now))
    return {"edge" if child.name == "api" else child.name: list(child.argv[3:]) for child in started}


# --- the same processes everywhere


@pytest.mark.parametrize("values", VALUES)
def test_the_chart_starts_what_soulfra_run_starts(values: str) -> None:
    assert {name: container["command"] for name, (_, _, container) in pods(values).items()} == {
        name: ["soulfra", *words] for name, words in launched().items()
    }


def test_compose_starts_what_soulfra_run_starts() -> None:
    assert {name: service["command"] for name, service in ours().items()} == {
        name: ["soulfra", *words] for name, words in launched().items()
    }


@pytest.mark.parametrize("values", VALUES)
def test_every_setting_named_in_the_chart_exists(values: str) -> None:
    for _, _, container in pods(values).values():
        named = [one["name"] for one in container["env"]]
        assert len(named) == len(set(named))
        assert {name for name in named if name.startswith("SOULFRA_")} <= ENVIRONMENT


def test_every_setting_named_in_compose_exists() -> None:
    for service in ours().values():
        assert set(service["environment"]) <= ENVIRONMENT


def test_every_setting_that_matters_in_a_cluster_can_be_set() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    others = set(schema["properties"]["settings"]["properties"])
    by_chart = {name for _, _, container in pods("full").values() for name in env(container)} - {
        "SOULFRA_TELEMETRY__LOG_LEVEL", "SOULFRA_EDGE__BATCH_LIMIT", "SOULFRA_EDGE__UPLOAD_LIMIT",
    }  # fmt: skip
    assert not others & by_chart, "a setting has one place among the values"
    known = others | by_chart | SECRETS
    assert {name for name in ENVIRONMENT - known if not LAPTOP_ONLY.fullmatch(name)} == set()
    assert others <= ENVIRONMENT


def test_every_other_setting_has_the_type_and_the_bounds_that_it_has_in_the_code() -> None:
    rules = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]["properties"]
    for name, rule in rules.items():
        section, key = name.removeprefix("SOULFRA_").lower().split("__")
        field = Settings.model_fields[section].annotation
        assert field is not None
        bounds = field.model_json_schema()["properties"][key]
        assert rule == {word: bounds[word] for word in RULES if word in bounds}, name


RULES = ("type", "minimum", "maximum", "exclusiveMinimum", "enum", "description")


@pytest.mark.parametrize("values", VALUES)
def test_the_settings_of_every_process_can_be_read(values: str, tmp_path: Path) -> None:
    for name in SECRETS:
        (tmp_path / name).write_text(f"redis://{name.lower()}")
    for _, _, container in pods(values).values():
        plain = {name: value for name, value in env(container).items() if isinstance(value, str)}
        read = config_show(plain | {"SOULFRA_SECRETS_DIR": str(tmp_path), "SOULFRA_WORKER__INSTANCE": "soulfra-0"})
        assert read["environment"] == "production"
        assert read["redis"]["url"] == "redis://soulfra_redis__url"
        assert read["kafka"]["sasl_password"] == "redis://soulfra_kafka__sasl_password"
        assert read["keys"]["installation"] == "redis://soulfra_keys__installation"


def test_the_settings_of_compose_can_be_read() -> None:
    for service in ours().values():
        read = config_show({name: str(value) for name, value in service["environment"].items()})
        assert (read["kafka"]["partitions"], read["kafka"]["replication"]) == (8, 1)


def config_show(environment: dict[str, str]) -> Yaml:
    """What a process of its own reads; secrets are told, as they are made up."""
    program = (
        "import json; from pydantic import SecretStr; from config import settings\n"
        "tell = lambda o: o.get_secret_value() if isinstance(o, SecretStr) else str(o)\n"
        "print(json.dumps(settings().model_dump(), default=tell))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told: Yaml = json.loads(done.stdout)
    return told


# --- the chart


def test_each_process_tells_its_health_where_the_chart_asks() -> None:
    ports = health_ports(Settings())
    for name, (_, _, container) in pods("minimal").items():
        if name == ONE_SHOT:
            continue
        named = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert named["telemetry"] == ports[f"{name}_port"]
        asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
        assert {probe: (get["path"], get["port"]) for probe, get in asked.items()} == {
            "startupProbe": ("/healthz", "telemetry"),
            "readinessProbe": ("/readyz", "telemetry"),
            "livenessProbe": ("/healthz", "telemetry"),
        }


@pytest.mark.parametrize("values", VALUES)
def test_every_pod_is_restricted(values: str) -> None:
    for _, pod, container in pods(values).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
        }  # fmt: skip
        assert {"name": "tmp", "emptyDir": {}} in pod["volumes"]
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("values", VALUES)
def test_workers_have_the_name_of_their_pod(values: str) -> None:
    for name in ("tables", "analysis"):
        made, _, container = pods(values)[name]
        assert made["kind"] == "StatefulSet"
        assert made["spec"]["podManagementPolicy"] == "Parallel"
        assert env(container)["SOULFRA_WORKER__INSTANCE"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        assert made["spec"]["serviceName"] in {service["metadata"]["name"] for service in of_kind("Service", values)}


@pytest.mark.parametrize("values", VALUES)
def test_a_pod_has_the_time_it_needs_to_drain(values: str) -> None:
    assert all(
        pod["terminationGracePeriodSeconds"] >= 60 for name, (_, pod, _) in pods(values).items() if name != ONE_SHOT
    )


def test_analysis_has_room() -> None:
    _, _, container = pods("minimal")["analysis"]
    assert container["resources"]["limits"]["memory"] == "1Gi"
    assert env(container)["SOULFRA_WORKER__ANALYSIS_PROCESSES"] == "2", "0 would be the cores of the node"


def test_selectors_find_their_pods_and_one_eviction_at_a_time_is_allowed() -> None:
    found = pods("full")
    labels = {name: made["spec"]["template"]["metadata"]["labels"] for name, (made, _, _) in found.items()}
    for budget in of_kind("PodDisruptionBudget", "full"):
        chosen = budget["spec"]["selector"]["matchLabels"]
        assert [name for name in labels if chosen.items() <= labels[name].items()] == [
            chosen["app.kubernetes.io/component"]
        ]
        assert budget["spec"]["maxUnavailable"] == 1
    assert len(of_kind("PodDisruptionBudget", "full")) == len(found) - 1
    for service in of_kind("Service", "full"):
        component = service["spec"]["selector"]["app.kubernetes.io/component"]
        assert service["spec"]["selector"].items() <= labels[component].items()


def test_topics_are_applied_before_anything_else() -> None:
    job, pod, container = pods("minimal")[ONE_SHOT]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "serviceAccountName" not in pod, "the chart's account does not exist yet"
    assert container["command"] == ["soulfra", "topics", "apply"], "what an operator changed in need stays"
    _, _, container = next(
        one for name, one in pods("minimal", "--set", "topics.configure=true").items() if name == ONE_SHOT
    )
    assert container["command"][-1] == "--configure"


def test_the_topics_job_is_let_through_a_namespace_that_denies_by_default() -> None:
    job, _, _ = pods("minimal")[ONE_SHOT]
    labels = job["spec"]["template"]["metadata"]["labels"]
    policy = next(one for one in of_kind("NetworkPolicy") if one["metadata"]["name"].endswith("-topics"))
    hook = policy["metadata"]["annotations"]
    assert hook["helm.sh/hook"] == job["metadata"]["annotations"]["helm.sh/hook"]
    assert int(hook["helm.sh/hook-weight"]) < int(job["metadata"]["annotations"].get("helm.sh/hook-weight", "0"))
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert {"port": 9092, "protocol": "TCP"} in policy["spec"]["egress"][0]["ports"]


def test_no_secret_is_made_and_none_is_in_the_environment() -> None:
    assert of_kind("Secret", "full") == []
    for _, _, container in pods("full").values():
        assert not SECRETS & set(env(container))


def test_the_network_lets_through_what_is_needed_and_nothing_else() -> None:
    everyone, edge, _ = sorted(of_kind("NetworkPolicy", "full"), key=lambda policy: len(policy["metadata"]["name"]))
    assert everyone["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert {port["port"] for port in everyone["spec"]["egress"][0]["ports"]} == {53, 9094, 9095, 6380, 443}
    assert [port["port"] for port in everyone["spec"]["ingress"][0]["ports"]] == ["telemetry"]
    assert [port["port"] for port in edge["spec"]["ingress"][0]["ports"]] == ["http"]
    assert edge["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "edge"


def test_a_pod_monitor_is_made_where_the_cluster_knows_one() -> None:
    assert of_kind("PodMonitor") == []
    (monitor,) = of_kind("PodMonitor", "minimal", "--api-versions", "monitoring.coreos.com/v1")
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == "telemetry"


# --- what is refused

MISTAKES = [
    ("tables.replica=3", "replica"),
    ("tables.replicas=0", "replicas"),
    ("kafka.bootstrp=kafka:9092", "bootstrp"),
    ("kafka.bootstrap=kafka", "bootstrap"),
    ("kafka.replication=1", "replication"),
    ("kafka.securityProtocol=TLS", "securityProtocol"),
    ("edge.ingres.enabled=true", "ingres"),
    ("edge.resources.limit.memory=1Gi", "limit"),
    ("auth.jwks=http://id.example.com/keys", "jwks"),
    ("objects.url=file:///data", "url"),
    ("image.digest=sha256:abc", "digest"),
    ("gracePeriodSeconds=30", "gracePeriodSeconds"),
    ("settings.SOULFRA_TELEMETRY__LOGLEVEL=DEBUG", "SOULFRA_TELEMETRY__LOGLEVEL"),
    ("settings.SOULFRA_KAFKA__PARTITIONS=8", "SOULFRA_KAFKA__PARTITIONS"),
    ("settings.SOULFRA_WORKER__STUCK_SECONDS=abc", "SOULFRA_WORKER__STUCK_SECONDS"),
    ("settings.SOULFRA_EDGE__UPLOADS=0", "SOULFRA_EDGE__UPLOADS"),
    ("monitoring.podMonitr=true", "podMonitr"),
    ("networkpolicy.enabled=false", "networkpolicy"),
]


@pytest.mark.parametrize(("mistake", "named"), MISTAKES)
def test_the_schema_refuses_a_mistake_and_names_it(mistake: str, named: str) -> None:
    done = helm("--set", mistake)
    assert done.returncode != 0, mistake
    assert "values don't meet the specifications of the schema" in done.stderr
    assert named in done.stderr


IMPOSSIBLE = [
    ("secrets.existingSecret=", "secrets.existingSecret is missing"),
    ("kafka.bootstrap=", "kafka.bootstrap is missing"),
    ("objects.url=", "objects.url is missing"),
    ("auth.jwks=", "auth.jwks is missing: name the https URL of your issuer's public keys"),
    ("auth.issuer=", "auth.issuer is missing"),
    ("tables.replicas=49", "tables.replicas is 49 and kafka.partitions 48"),
    ("analysis.replicas=49", "analysis.replicas is 49 and kafka.partitions 48"),
    ("projector.replicas=49", "projector.replicas is 49 and kafka.partitions 48"),
    ("kafka.minInsyncReplicas=4", "kafka.minInsyncReplicas is 4 and kafka.replication 3"),
    ("kafka.securityProtocol=SASL_SSL", "kafka.saslUsername is missing"),
    ("kafka.saslUsername=me", "kafka.saslUsername is set and kafka.securityProtocol PLAINTEXT sends no user"),
    ("kafka.caSecret=ca", "kafka.caSecret is set and kafka.securityProtocol PLAINTEXT is not encrypted"),
    (
        "analysis.processes=16",
        "analysis.resources.limits.memory is 1024 MiB and analysis.processes 16: they need 6336 MiB",
    ),
    ("edge.ingress.enabled=true", "edge.ingress.host is missing"),
]


@pytest.mark.parametrize(("values", "said"), IMPOSSIBLE)
def test_what_cannot_work_is_refused_with_a_sentence(values: str, said: str) -> None:
    done = helm("--set", values)
    assert done.returncode != 0
    assert said in done.stderr


def test_all_mistakes_are_told_at_once() -> None:
    said = helm("--set", "auth.jwks=", "--set", "tables.replicas=49").stderr
    assert "auth.jwks is missing" in said
    assert "tables.replicas is 49" in said


# --- the dashboard


def told() -> dict[str, set[str]]:
    """Every time series that a process of ours can tell, with its labels."""
    found: dict[str, set[str]] = {}
    endings: dict[object, tuple[str, ...]] = {
        prometheus_client.Counter: ("_total",),
        prometheus_client.Gauge: ("",),
        prometheus_client.Histogram: ("_bucket", "_sum", "_count"),
        prometheus_client.Info: ("_info",),
    }
    for metric in vars(metrics).values():
        for ending in endings.get(type(metric), ()):
            le = {"le"} if ending == "_bucket" else set()
            found[metric._name + ending] = {*metric._labelnames, *le}
    return found


def panels() -> Iterator[Yaml]:
    (kept,) = [made for made in of_kind("ConfigMap") if made["metadata"]["labels"].get("grafana_dashboard") == "1"]
    yield from json.loads(kept["data"]["soulfra.json"])["panels"]


def expressions() -> list[tuple[str, str]]:
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel.get("targets", [])]


def test_the_dashboard_asks_only_for_metrics_and_labels_that_are_told() -> None:
    for title, expr in expressions():
        names = set(re.findall(r"\b(?:soulfra|http_server)_\w+", expr))
        assert names, title
        assert names <= told().keys(), title
        labels = set().union(*(told()[name] for name in names)) | {"instance", "job"}
        used = {label.strip() for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expr) for label in group.split(",")}
        used |= set(re.findall(r"(\w+)(?:=~|!=|=)\"", expr))
        assert used <= labels, title


def test_the_dashboard_shows_every_metric() -> None:
    queries = " ".join(expr for _, expr in expressions())
    for metric in vars(metrics).values():
        if name := getattr(metric, "_name", ""):
            assert re.search(rf"\b{name}(_total|_bucket|_count|_info)?\b", queries), f"{name} is on no panel"


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


# --- Compose and the image


def test_every_service_is_guarded_and_limited() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["cpus"], name
        assert "container_name" not in service, name
        assert not service["image"].endswith(":latest"), name


def test_every_service_that_stays_says_whether_it_is_well() -> None:
    ports = health_ports(Settings())
    for name, service in services().items():
        if name == ONE_SHOT:
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        test = " ".join(service["healthcheck"]["test"])
        if name in ours():
            assert f"http://127.0.0.1:{ports[f'{name}_port']}/readyz" in test


def test_ports_are_open_to_this_machine_only() -> None:
    for name, service in services().items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_volumes_are_named() -> None:
    for service in services().values():
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= compose()["volumes"].keys()


def test_composes_broker_is_set_as_the_one_of_soulfra_run() -> None:
    """What is about places, addresses and the quorum differs."""
    placed = {"listeners", "advertised.listeners", "controller.quorum.bootstrap.servers", "log.dirs"}
    lines = (ROOT / "cli/kafka/server.properties").read_text().splitlines()
    wanted = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    has = services()["kafka"]["environment"]
    for key, value in wanted.items():
        if key not in placed:
            assert str(has.get(f"KAFKA_{key.upper().replace('.', '_')}")) == value, key


def test_composes_broker_is_the_version_that_soulfra_run_starts() -> None:
    (version,) = re.findall(r"<kafka.version>(.+?)</kafka.version>", (ROOT / "pom.xml").read_text())
    assert services()["kafka"]["image"] == f"apache/kafka:{version}"


def test_the_image_holds_every_package_and_is_not_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = {line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line}
    packages = {found.parent.name for found in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= copied
    assert "USER 10001:10001" in lines
    assert any("--require-hashes" in line and "locks/run.txt" in line for line in lines)
    assert not any("dev.txt" in line for line in lines)


def test_the_image_is_sent_what_it_copies() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            assert set(line.split()[1:-1]) <= allowed, line

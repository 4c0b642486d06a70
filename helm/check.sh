#!/usr/bin/env bash
# Lints, renders and checks the chart, and the Compose file beside it. Needs Go once, to build Helm into .tools/.
set -euo pipefail
cd "$(dirname "$0")/.."

HELM_VERSION=v3.22.0
OLDEST=1.28 NEWEST=1.36   # Kubernetes, whose schemas the objects must fit
HELM=.tools/helm-$HELM_VERSION/helm

if [ ! -x "$HELM" ]; then
  command -v go > /dev/null || {
    echo "check-chart: Go was not found; it builds Helm $HELM_VERSION into .tools/ once. Install Go 1.26 or newer." >&2
    exit 1
  }
  echo "building Helm $HELM_VERSION into .tools/ (once, a few minutes) …"
  log=.tools/helm.log
  mkdir -p .tools
  # Not optimised: that takes half the time, and a chart is rendered as quickly.
  GOBIN="$PWD/$(dirname "$HELM")" GOFLAGS=-trimpath nice go install '-gcflags=all=-N -l' '-ldflags=-s -w' "helm.sh/helm/v3/cmd/helm@$HELM_VERSION" 2> "$log" \
    || { cat "$log" >&2; exit 1; }
fi

PYTHON=python3
[ ! -x .venv/bin/python ] || PYTHON=.venv/bin/python
"$PYTHON" cli/setup.py dev

rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT
for values in helm/ci/*.yaml; do
  for kubernetes in "$OLDEST" "$NEWEST"; do
    "$HELM" lint --strict --quiet helm --kube-version "$kubernetes" --values "$values"
    "$HELM" template soulfra helm --kube-version "$kubernetes" --values "$values" > "$rendered/$(basename "$values").$kubernetes"
  done
done
for kubernetes in "$OLDEST" "$NEWEST"; do
  .venv/bin/kubernetes-validate --strict --quiet -k "$kubernetes" "$rendered"/*."$kubernetes"
done
echo "the chart renders, and fits Kubernetes $OLDEST and $NEWEST"

.venv/bin/pytest -m chart tests/test_chart.py "$@"

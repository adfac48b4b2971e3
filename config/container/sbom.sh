#!/usr/bin/env bash
# Lists what an image's virtualenv is made of, as CycloneDX JSON: sbom.sh [IMAGE] >sbom.json
# The tool (cyclonedx-bom, by the makers of the format) is fetched from the package index into a container that goes at once;
# nothing of it is in the image. DOCKER=podman, or whatever else understands the same commands.
set -euo pipefail

tool=cyclonedx-bom==7.5.0
read -ra docker <<<"${DOCKER-docker}"
# shellcheck disable=SC2016 # the container's shell fills in what stands in single quotes
"${docker[@]}" run --rm --user 0 --tmpfs /tmp:exec --entrypoint sh "${1-tank-mailer}" -ec '
    python3 -m venv /tmp/tool
    /tmp/tool/bin/pip --quiet --disable-pip-version-check --no-cache-dir install "$1" >&2
    exec /tmp/tool/bin/cyclonedx-py environment --output-reproducible /opt/tank-mailer/bin/python' \
    - "$tool"

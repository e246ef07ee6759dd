#!/usr/bin/env bash
# Makes .venv-peers, the environment of the peers that cannot share ours: pfl 0.6.0 holds dp-accounting, and
# so attrs, at versions of its own. Run from the top of the source tree; PYTHON names another interpreter.
set -eu
python=${PYTHON:-python3}
peers=(pfl==0.6.0 torch==2.13.0)

fail() { echo "peers: $*; without .venv-peers the benchmarks leave pfl out" >&2; exit 1; }

if [ -f .venv-peers/.has-peers ] && [ "$(cat .venv-peers/.has-peers)" = "${peers[*]}" ]; then
  echo "peers: .venv-peers already holds ${peers[*]}"
  exit 0
fi
echo "peers: installing ${peers[*]} into .venv-peers"
"$python" -m venv --clear .venv-peers || fail "$python could not make .venv-peers"
.venv-peers/bin/python -m pip install --disable-pip-version-check --no-input "${peers[@]}" ||
  fail "pip could not install ${peers[*]}"
.venv-peers/bin/python -c "import pfl.aggregate.simulate, pfl.model.pytorch" ||
  fail "pfl is installed and cannot be imported"
echo "${peers[*]}" >.venv-peers/.has-peers
echo "peers: .venv-peers is ready"

# What one does with this repository. `make` alone lists it.
#
# Needs make, a system Node 20 or newer with npm, and a network or an npm cache. Everything else,
# Node 26 included, comes with `npm ci` and is first in the PATH of every recipe.

SYSTEM_PATH := $(PATH)
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
# Compiled code, types stripped: what starts for the second time starts faster and takes 20 MB less.
export NODE_COMPILE_CACHE := $(CURDIR)/node_modules/.cache/node

PROTOS := $(shell find proto -name '*.proto') proto/buf.yaml proto/buf.gen.yaml
INSTALLED := node_modules/.chappe-installed
GENERATED := node_modules/.chappe-generated

# Tests of libraries and of the services' cores, without those that start whole servers: fast.
UNIT_TESTS := 'load-tests/*/*.test.ts' 'libs/*/test/**/*.test.ts' 'services/{billing,coordinator,crypto,gateway,sender}/test/**/*.test.ts'
# The same suites and more, on real servers.
DRIVER_TESTS := 'libs/log/test/kafka/*.test.ts' 'libs/coordination/test/etcd/*.test.ts' 'libs/store/test/mysql/*.test.ts' 'services/sender/test/mysql/*.test.ts'
ALL_TESTS := 'load-tests/*/*.test.ts' 'libs/*/test/**/*.test.ts' 'services/*/test/**/*.test.ts'

.PHONY: help setup demo test test-drivers check load load-compare side-by-side bench bench-cluster clean faults faults-short simulate scale \
  proto-image stack-setup stack-up stack-down stack-status \
  cluster-up cluster-down cluster-status cluster-demo chart-test chart-docs dashboards-check image \
  k8s-up k8s-down k8s-status k8s-test
.DEFAULT_GOAL := help

help:
	@echo 'make setup             install everything at its pinned version and generate code (idempotent)'
	@echo 'make demo [FILE=x.csv] two businesses, 25 handsets, the files of examples/ (or yours), a table'
	@echo 'make test              all tests, those on real servers (Kafka, etcd, MariaDB) included'
	@echo 'make check             proto lint and breaking changes, types, lint, format, dead code, unit tests'
	@echo 'make load [SCENARIO=steady MODE=standalone]  open-loop load, real handsets, a checker: load-tests/README.md'
	@echo 'make load-compare A=x.json B=y.json  what changed between two load tests beyond their noise'
	@echo 'make bench [QUICK=1]    what the standalone node does: rates, latency, memory, start'
	@echo 'make bench-cluster [QUICK=1]  what the cluster does: rates, latency, memory, takeover, hand-over, planning'
	@echo 'make stack-up [ZONES=2] Kafka, etcd and MariaDB on this machine (idempotent); stack-down, stack-status'
	@echo 'make cluster-up         the cluster on that stack, a process per service and replica; cluster-down, cluster-status'
	@echo 'make cluster-demo       the demo in a new cluster, with a sender killed in the middle'
	@echo 'make test-drivers      of all tests those of the drivers, on the real servers'
	@echo 'make faults            every fault, done to a real cluster under load and held against an independent checker,'
	@echo '                       and every positive control; ROWS=1,2 CONTROLS=none for some; make faults-short for CI'
	@echo 'make simulate SEEDS=2000  the services in one process under virtual time and named faults, seed by seed; SEED=7 for one'
	@echo '                       with its trace, CONTROLS=all for rules that are broken on purpose: load-tests/simulation/README.md'
	@echo 'make scale              what 10,000 ranges on 500 shards ask of etcd, of each process and of a Kafka broker'
	@echo 'make side-by-side       the same job on Chappe, Kannel and Jasmin: load-tests/side-by-side/README.md'
	@echo 'make chart-test        the Helm chart without a cluster: lint, every object against the API of Kubernetes, bad values'
	@echo 'make dashboards-check  every panel of the dashboards asked of a real Prometheus, over a cluster under load; pictures'
	@echo 'make k8s-up             a Kubernetes of two nodes in two zones on this machine, with all images; k8s-down, k8s-status'
	@echo 'make k8s-test           the charts on it under load: upgrade, drained node, lost zone, ...; K8S_STEPS=short for CI'
	@echo 'make image             the container image, with docker or whatever BUILD names'
	@echo 'make proto-image       at a release: renew what `make check` compares the proto files with'
	@echo 'make clean             remove what setup and the runs have made'

setup: $(GENERATED)

# The system's own PATH: `npm ci` removes the Node that node_modules brings.
$(INSTALLED): package-lock.json .npmrc
	@echo 'installing (npm ci)'
	@PATH="$(SYSTEM_PATH)" npm ci --loglevel=error
	@touch $@

$(GENERATED): $(INSTALLED) $(PROTOS)
	@echo 'generating code from proto/'
	@buf generate --template proto/buf.gen.yaml --clean
	@touch $@

demo: setup
	@chappe demo $(if $(FILE),'$(FILE)')

# On the real servers: brings them up if they do not run, and then down again.
test: setup
	@$(STACK) run --zones $(ZONES) -- node --test --test-concurrency=2 $(ALL_TESTS)

check: setup
	buf lint proto
	@if [ -f proto/released.binpb ]; then echo buf breaking proto --against proto/released.binpb; \
	  buf breaking proto --against proto/released.binpb; fi
	tsc -p tsconfig.base.json
	oxlint
	oxfmt --check
	knip
	node --test --test-concurrency=2 $(UNIT_TESTS)

# SCENARIO, MODE, and whatever of the rest is set: load-tests/README.md.
LOAD := node load-tests/load/main.ts
LOAD_NAMES := RATE SECONDS MESSAGES CONTACTS EXPONENT SHAPE RANGES SENDERS SHARE FLEETS STREAMS SEED PROFILE REPEATS REPORTS PARTS
lower = $(shell echo $(1) | tr A-Z a-z)
LOAD_OPTIONS = $(foreach name,$(LOAD_NAMES),$(if $($(name)),--$(call lower,$(name)) $($(name)))) $(if $(QUICK),--quick)
SCENARIO ?= steady
MODE ?= standalone

load: setup
	@$(LOAD) --scenario $(SCENARIO) --mode $(MODE) $(LOAD_OPTIONS)

# Two reports, or folders of reports: what changed beyond the noise of repeated runs.
load-compare: setup
	@node load-tests/compare/main.ts '$(A)' '$(B)'

bench: setup
	@$(LOAD) --scenario bench --mode standalone $(LOAD_OPTIONS)

# To as many people as share a shard's batches on one machine; with CONTACTS=1000 it is a quarter less.
# One range a sender: with more of them two cores do smaller batches.
bench-cluster: CONTACTS ?= 400
bench-cluster: RANGES ?= 2
bench-cluster: setup
	@$(LOAD) --scenario bench --mode cluster $(LOAD_OPTIONS)

STACK := node load-tests/stack/main.ts
ZONES ?= 1

stack-setup: setup
	@$(STACK) install --zones $(ZONES)

stack-up: setup
	@$(STACK) up --zones $(ZONES)

stack-down: setup
	@$(STACK) down $(if $(WIPE),--wipe)

stack-status: setup
	@$(STACK) status

CLUSTER := node load-tests/cluster/main.ts

cluster-up: stack-up
	@$(CLUSTER) up --zones $(ZONES)

cluster-down: setup
	@$(CLUSTER) down $(if $(WIPE),--wipe)

cluster-status: setup
	@$(CLUSTER) status

cluster-demo: stack-up
	@$(CLUSTER) demo --zones $(ZONES) $(if $(MESSAGES),--messages $(MESSAGES))

# Builds helm and kubeconform with Go at its first run.
chart-test: setup
	@node --test charts/test/*.test.ts

chart-docs: setup
	@node charts/test/values-table.ts --write
	@node charts/dashboards/main.ts

# Needs root: it makes a network namespace of its own, and installs what is missing.
dashboards-check: setup
	@node load-tests/dashboards/main.ts

# Needs root on Linux. Programs, built at the first run, and images lie in ~/.cache/chappe-lab, for every clone.
LAB := node charts/lab/main.ts
k8s-up: setup
	@$(LAB) up

k8s-down: setup
	@$(LAB) down $(if $(WIPE),--wipe)

k8s-status: setup
	@$(LAB) status

# Brings the lab up and takes it down again. K8S_STEPS: all, short, or names of steps: load-tests/kubernetes/README.md.
K8S_STEPS ?= all
k8s-test: setup
	@node load-tests/kubernetes/main.ts --steps $(K8S_STEPS) $(if $(REPORTS),--reports $(REPORTS)) $(if $(KEEP),--keep)
	@node --test charts/test/kubernetes-api.test.ts

BUILD ?= docker build
image:
	$(BUILD) -t chappe:0.1.0 .

test-drivers: setup
	@$(STACK) run --zones $(ZONES) -- node --test --test-concurrency=2 $(DRIVER_TESTS)

# Needs root: it makes namespaces of its own, and installs what is missing. CONTROLS: rules that are broken on purpose.
ROWS ?= all
FAULTS := node load-tests/faults/main.ts $(if $(SEED),--seed $(SEED))
faults: CONTROLS ?= all
faults: setup
	@$(FAULTS) --rows $(ROWS) --controls $(CONTROLS)

# One fault of each kind and two controls; its report lies with the other results, which are not kept.
faults-short: setup
	@$(FAULTS) --rows short --controls short --reports load-tests/results

# Needs root for a namespace of its own; the page is kept under load-tests/reports.
scale: setup
	@node load-tests/scale/main.ts $(if $(REPORTS),--reports $(REPORTS))

# One seed with its trace (ONLY: some of its faults, RULE: with a rule broken), or many; CONTROLS: each broken rule must be found;
# REPORT=1: many, then all controls, and the page is kept.
simulate: setup
	@node load-tests/simulation/main.ts $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only '$(ONLY)') $(if $(RULE),--rule $(RULE)) \
	  $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FROM),--from $(FROM)) $(if $(CONTROLS),--controls $(CONTROLS)) $(if $(REPORT),--report load-tests/reports/simulation.md)

# Needs root: it installs Debian's packages and makes a network namespace of its own.
side-by-side: setup
	@node load-tests/side-by-side/main.ts $(if $(SYSTEMS),--systems $(SYSTEMS)) $(if $(MESSAGES),--messages $(MESSAGES)) $(if $(RUNS),--runs $(RUNS))

proto-image: setup
	buf build proto -o proto/released.binpb

clean:
	rm -rf node_modules libs/proto/src/gen load-tests/results data

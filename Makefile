# The commands of README. Everything a target needs is installed by the target itself.
.PHONY: help run test setup bench check lock kafka kafka-stop
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 10

run: setup ## the whole platform with sample traffic, from a fresh clone
	$(VENV)/bin/meterline demo

test: setup ## every check and every test
	deploy/check
	$(PY) -m pytest

setup: ## .venv/ and the page's assets
	@deploy/setup

bench: setup ## the benchmarks; one JSON object a line
	$(PY) -m bench

check: setup ## formatting, lint, types and layering, without the tests
	deploy/check

kafka: ## Apache Kafka on 127.0.0.1:9092, for development and tests (KAFKA_BROKERS=3: three)
	@python3 deploy/kafka/cluster.py start

kafka-stop: ## stop it
	@python3 deploy/kafka/cluster.py stop

lock: ## resolve the dependencies anew
	@deploy/setup lock

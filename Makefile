# Every target sets up .venv by itself, which costs nothing once it is done, until setup.cfg or pyproject.toml changes.
#   make demo       train on the bundled photographs, export, predict     make test       the quick tests
#   make test-all   the quick and the slow tests                          make lint       ruff: rules and format
#   make typecheck  mypy on specs, config and flags                       make wheel-test tests against the wheel
# PYTHON chooses the interpreter (3.11 or newer) of a new .venv: make PYTHON=python3.12 test

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := cpu,test,lite-weights
# What TensorFlow Serving's own messages are, which tests read; without the whole of TensorFlow that it asks for.
SERVING := tensorflow-serving-api>=2.19,<2.22
INSTALLED := $(VENV)/.installed
NODE_MODULES := $(VENV)/.node-modules
WHEEL_VENV := build/wheel-test/venv
TYPED := efficientnet_tf.specs efficientnet_tf.config efficientnet_tf.flags
TYPED_MODULES := efficientnet_tf.options efficientnet_tf.errors efficientnet_tf.files
# The first validation photograph of each class in split.csv.
PHOTOGRAPHS := $(addprefix efficientnet_tf/data/sample/,animals/bison.jpg fishes/fish16.jpg \
  monuments/aulaPalatina.jpg renewable/solar3.jpg tools/hammer3.jpg)
# What a wheel could lack beside the tree: modules, all of which `public_names` imports; files of data; commands.
WHEEL_TESTS := packaging cli public_names recipes sample weights scale_command page report tfjs_runtime nodejs
PYTEST := "$(CURDIR)/$(BIN)/python" -m pytest

export TF_CPP_MIN_LOG_LEVEL ?= 3
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-slow test-all lint typecheck wheel wheel-test clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | sed -n '1,5p'

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; choose one: make PYTHON=python3.12 ..." >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(INSTALLED): setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps '$(SERVING)'
	@touch $@

$(NODE_MODULES): efficientnet_tf/runtimes/node/package-lock.json | $(INSTALLED)
	$(BIN)/python -m efficientnet_tf.runtimes.tfjs
	@touch $@

setup: $(INSTALLED) $(NODE_MODULES)

demo: setup
	$(BIN)/efficientnet-train --variant=lite0 --weights=imagenet --data=sample
	$(BIN)/efficientnet-export --format=saved_model,tflite,tfjs --quantize=none,dynamic,float16
	$(BIN)/efficientnet-predict $(PHOTOGRAPHS)
	@run=$$(ls -td runs/*/ | head -n 1); run=$${run%/}; \
	  printf '\nThe run:      %s (model.keras, metrics.csv, labels.txt)\n' "$$run"; \
	  printf 'The export:   %s/export (saved_model, model.tflite, tfjs, ...)\n' "$$run"; \
	  printf 'How closely each artifact answers like the model: %s/export/report.json\n' "$$run"

test: setup
	@mkdir -p build
	$(PYTEST) -m "not slow" -n $(WORKERS) --dist loadfile --junitxml build/junit.xml

test-slow: setup
	@mkdir -p build
	$(PYTEST) -m slow -n $(WORKERS) --dist loadfile --junitxml build/junit-slow.xml

test-all: test test-slow

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy cannot follow an editable install's mapping of flags/ and export/, so it reads an installed copy. What these
# rooms' names are imported along with is followed, but not judged.
typecheck: $(INSTALLED)
	rm -rf build/lib build/typecheck
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/typecheck .
	cd build/typecheck && "$(CURDIR)/$(BIN)/mypy" --strict --follow-imports=silent --config-file ../../pyproject.toml \
	  $(addprefix -p ,$(TYPED)) $(addprefix -m ,$(TYPED_MODULES))

wheel: $(INSTALLED)
	rm -rf build/lib dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

# From outside the tree, so that what is imported is the wheel and nothing else.
wheel-test: wheel
	@for name in $(WHEEL_TESTS); do [ -f tests/test_$$name.py ] || { echo "no tests/test_$$name.py" >&2; exit 1; }; done
	rm -rf build/wheel-test
	mkdir -p build/wheel-test
	$(BIN)/python -m venv $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check "$$(ls dist/*.whl)[$(EXTRAS)]"
	$(WHEEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps '$(SERVING)'
	cd build/wheel-test && venv/bin/python -c 'import efficientnet_tf as e; assert "site-packages" in e.__file__, e.__file__'
	cd build/wheel-test && venv/bin/python -m efficientnet_tf.runtimes.tfjs
	cd build/wheel-test && venv/bin/python -m pytest -c ../../pyproject.toml --rootdir ../.. \
	  -m "not slow" -n $(WORKERS) --dist loadfile --junitxml ../junit-wheel.xml $(WHEEL_TESTS:%=../../tests/test_%.py)

clean:
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache

# `make demo` and `make test` need nothing but Python 3.11 or newer: each makes its own environment in .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check format docs clean

demo: .venv/demo
	$(BIN)/intarsia demo --out demo

test: check
	$(BIN)/pytest -n 2

check: .venv/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: .venv/test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Tables in docs/ that are measured: rerun after a change of what they measure.
docs: .venv/test
	$(BIN)/python benchmarks/a_trous.py --out docs/a_trous.md
	$(BIN)/python benchmarks/training.py --out docs/training_speed.md
	$(BIN)/python benchmarks/confusion.py --out docs/confusion.md
	$(BIN)/python benchmarks/large_image.py --out docs/large_images.md
	$(BIN)/python benchmarks/data.py --out docs/data_speed.md
	$(BIN)/python benchmarks/attention.py --out docs/attention.md
	$(BIN)/python benchmarks/affinity.py --out docs/affinity_speed.md
	! nvidia-smi > /dev/null 2>&1 || $(BIN)/python benchmarks/affinity_gpu.py --out docs/affinity_speed_gpu.md
	$(BIN)/pip install --quiet -e ".[bench]"
	$(BIN)/python benchmarks/energies.py --out docs/energies_speed.md
	$(BIN)/python benchmarks/energies_grabcut.py --out docs/grabcut_speed.md
	$(BIN)/python benchmarks/energies_mask.py --picture docs/pictures/mask_coffee.png
	$(BIN)/python benchmarks/energies_crf.py --turns 9 --out docs/crf_speed.md
	$(BIN)/python benchmarks/dense_crf_picture.py --out docs/pictures/dense_crf.png
	$(BIN)/python benchmarks/refiner.py --work runs/refiner --out docs/refiner.md
	$(BIN)/intarsia bench claims --out docs/claims.md
	$(BIN)/intarsia bench models --out docs/systems.md
	$(BIN)/intarsia bench affinity --out docs/affinity.md
	test -f runs/unet/weights.safetensors || $(BIN)/intarsia train sample:materials --model unet --auxiliary \
		--pretrained offline --crop-size 128 --epochs 6 --out runs/unet
	$(BIN)/python benchmarks/inference.py --run runs/unet --data sample:materials --out docs/inference_speed.md
	for name in $$($(BIN)/python -c "import intarsia; print(*intarsia.list_models())"); do \
		$(BIN)/intarsia models $$name --picture docs/pictures/models/$$name.svg || exit 1; done

clean:
	rm -rf .venv demo

.venv/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "intarsia needs Python 3.11 or newer; say which with: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

.venv/demo: pyproject.toml | .venv/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[offline]'
	touch $@

.venv/test: pyproject.toml | .venv/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

"""Training runs of small heads by PyTorch, which the hub's own training graphs are compared with, step by step.

    .cache/training-python/bin/python scripts/training/pytorch-runs.py

writes packages/onnx/src/training/fixtures/pytorch-runs.json: for each run its settings (as the hub writes them), data, start,
batches, and what PyTorch made of them: the loss before each step, and the parameters after the last. float32, CPU.
"""

import json
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
FEATURES, HIDDEN, OUTPUTS = 5, [4, 3], 3
EXAMPLES, STEPS = 22, 12

ACTIVATIONS = {
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "relu": nn.ReLU(),
    "leaky-relu": nn.LeakyReLU(0.01),
    "gelu": nn.GELU(),
}


def optimizer_of(settings, weights, biases, learning_rate, l2):
    """PyTorch's optimiser of the hub's settings; decay and L2 are for weights only."""
    decay = settings.get("weightDecay", 0.0) if settings["name"] == "adamw" else l2
    groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
    match settings["name"]:
        case "sgd":
            return torch.optim.SGD(groups, lr=learning_rate)
        case "momentum":
            return torch.optim.SGD(
                groups, lr=learning_rate, momentum=settings["momentum"], nesterov=settings["nesterov"]
            )
        case "adagrad":
            return torch.optim.Adagrad(
                groups,
                lr=learning_rate,
                initial_accumulator_value=settings["initialAccumulator"],
                eps=settings["epsilon"],
            )
        case "adam" | "adamw":
            kind = torch.optim.Adam if settings["name"] == "adam" else torch.optim.AdamW
            return kind(
                groups, lr=learning_rate, betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"]
            )


def loss_of(output, logits, labels, example_weights, class_weights):
    """The weighted mean, with PyTorch's own losses where they take such weights."""
    if output == "softmax":
        losses = nn.functional.cross_entropy(logits, labels, reduction="none")
        weights = example_weights * class_weights[labels]
        return (losses * weights).sum() / weights.sum()
    if output == "sigmoid":
        losses = nn.functional.binary_cross_entropy_with_logits(
            logits, labels, weight=class_weights.expand_as(labels), reduction="none"
        )
    else:
        losses = nn.functional.mse_loss(logits, labels, reduction="none") * class_weights
    return (losses * example_weights[:, None]).sum() / (example_weights.sum() * OUTPUTS)


def run(name, *, activation="tanh", output="softmax", optimizer, learning_rate=0.05, l2=0.0, clip_norm=None,
        dropout=0.0, weighted=False):  # fmt: skip
    """One run from a seed of its own."""
    generator = torch.Generator().manual_seed(sum(name.encode()))
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    features = draw(EXAMPLES, FEATURES)
    match output:
        case "softmax":
            labels = torch.randint(0, OUTPUTS, (EXAMPLES,), generator=generator)
        case "sigmoid":
            labels = (draw(EXAMPLES, OUTPUTS) > 0).float()
        case "linear":
            labels = draw(EXAMPLES, OUTPUTS)
    example_weights = torch.rand(EXAMPLES, generator=generator) + 0.5 if weighted else torch.ones(EXAMPLES)
    class_weights = torch.tensor([0.5, 2.0, 1.25]) if weighted else torch.ones(OUTPUTS)
    widths = [FEATURES, *HIDDEN, OUTPUTS]
    names = [f"hidden{i}" for i in range(len(HIDDEN))] + ["output"]
    weights = [nn.Parameter(draw(a, b) * 0.5) for a, b in zip(widths, widths[1:])]
    biases = [nn.Parameter(draw(b) * 0.1) for b in widths[1:]]
    start = {f"{n}/{kind}": p.detach().flatten().tolist()
             for n, w, b in zip(names, weights, biases) for kind, p in (("weight", w), ("bias", b))}  # fmt: skip
    trainer = optimizer_of(optimizer, weights, biases, learning_rate, l2)
    steps = []
    for step in range(STEPS):
        # Eight at a time; every third batch is a short one of six.
        batch = torch.arange(step * 8, step * 8 + (6 if step % 3 == 2 else 8)) % EXAMPLES
        masks = [(torch.rand(len(batch), width, generator=generator) >= dropout).float() / (1 - dropout)
                 for width in HIDDEN] if dropout else []  # fmt: skip
        x = features[batch]
        for layer, (w, b) in enumerate(zip(weights, biases)):
            x = x @ w + b
            if layer < len(HIDDEN):
                x = ACTIVATIONS[activation](x)
                if masks:
                    x = x * masks[layer]
        loss = loss_of(output, x, labels[batch], example_weights[batch], class_weights)
        trainer.zero_grad()
        loss.backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_([*weights, *biases], clip_norm)
        trainer.step()
        steps.append({"batch": batch.tolist(), "loss": loss.item(), "masks": [m.flatten().tolist() for m in masks]})
    end = {f"{n}/{kind}": p.detach().flatten().tolist()
           for n, w, b in zip(names, weights, biases) for kind, p in (("weight", w), ("bias", b))}  # fmt: skip
    settings = {
        "head": {"hidden": HIDDEN, "activation": activation, "output": output, "dropout": dropout},
        "optimizer": optimizer,
        "learningRate": learning_rate,
        "l2": l2,
        **({"clipNorm": clip_norm} if clip_norm is not None else {}),
    }
    return {
        "name": name,
        "settings": settings,
        "features": features.flatten().tolist(),
        "labels": labels.flatten().tolist(),
        "exampleWeights": example_weights.tolist(),
        "classWeights": class_weights.tolist(),
        "start": start,
        "steps": steps,
        "end": end,
    }


ADAM = {"name": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
ADAGRAD = {"name": "adagrad", "initialAccumulator": 0.1, "epsilon": 1e-10}

RUNS = [
    run("sgd", optimizer={"name": "sgd"}),
    run("momentum", optimizer={"name": "momentum", "momentum": 0.9, "nesterov": False}),
    run("nesterov", optimizer={"name": "momentum", "momentum": 0.8, "nesterov": True}),
    run("adagrad from 0.1", optimizer=ADAGRAD),
    run("adagrad from 0", optimizer={**ADAGRAD, "initialAccumulator": 0}),
    run("adam", optimizer=ADAM, learning_rate=0.01),
    run("adamw", optimizer={**ADAM, "name": "adamw", "weightDecay": 0.1}, learning_rate=0.01),
    *(run(f"activation {name}", activation=name, optimizer=ADAM, learning_rate=0.01) for name in ACTIVATIONS),
    run("independent labels", output="sigmoid", optimizer=ADAGRAD),
    run("numbers", output="linear", optimizer={"name": "sgd"}, learning_rate=0.02),
    run("weighted softmax", weighted=True, optimizer={"name": "sgd"}),
    run("weighted independent labels", output="sigmoid", weighted=True, optimizer={"name": "sgd"}),
    run("weighted numbers", output="linear", weighted=True, optimizer=ADAM, learning_rate=0.01),
    run("l2", l2=0.1, optimizer={"name": "momentum", "momentum": 0.9, "nesterov": False}),
    run("clipped", clip_norm=0.2, l2=0.05, optimizer={"name": "sgd"}),
    run("dropout", dropout=0.5, activation="relu", optimizer=ADAM, learning_rate=0.01),
]


def rounded(value):
    """float32 needs nine digits."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(one) for one in value]
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return value


TARGET = ROOT / "packages/onnx/src/training/fixtures/pytorch-runs.json"
document = {"source": f"scripts/training/pytorch-runs.py, PyTorch {torch.__version__}", "runs": rounded(RUNS)}
TARGET.write_text(json.dumps(document, separators=(",", ":")) + "\n")
print(f"{TARGET}: {len(RUNS)} runs, {TARGET.stat().st_size} bytes")

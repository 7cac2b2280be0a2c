"""1,000 steps of a head by PyTorch: seconds on standard output.

    python head-steps.py FEATURES HIDDEN,HIDDEN CLASSES BATCH STEPS THREADS

ReLU, softmax cross-entropy, Adagrad with the accumulator 0.1. The training loop is the plain one of PyTorch's tutorials:
batches by index out of a tensor in memory. The first 50 steps are not timed.
"""

import sys
import time

import torch
from torch import nn

features, hidden, classes, batch, steps, threads = sys.argv[1:]
features, classes, batch, steps = int(features), int(classes), int(batch), int(steps)
torch.set_num_threads(int(threads))
torch.manual_seed(0)
widths = [features, *map(int, hidden.split(","))]
layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
model = nn.Sequential(*layers, nn.Linear(widths[-1], classes))
data = torch.randn(25_000, features)
labels = torch.randint(0, classes, (25_000,))
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.003, initial_accumulator_value=0.1)
loss_of = nn.CrossEntropyLoss()


def train(count: int) -> None:
    order = torch.randperm(len(data))
    for step in range(count):
        start = step * batch % (len(data) - batch)
        chosen = order[start : start + batch]
        loss = loss_of(model(data[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    loss.item()


train(50)
begin = time.perf_counter()
train(steps)
print(time.perf_counter() - begin)

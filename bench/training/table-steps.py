"""Steps that train a table of embeddings by PyTorch with sparse gradients: seconds on standard output.

    python table-steps.py ROWS.i32 OFFSETS.i32 EXAMPLES TABLE DIMENSIONS BATCH STEPS THREADS

EmbeddingBag (sum, sparse) → Linear to two classes → cross-entropy, both by Adagrad. The rows of all examples lie one after
another in the first file, where each example begins in the second. The first 10 steps are not timed.
"""

import sys
import time

import numpy as np
import torch
from torch import nn

rows_file, offsets_file = sys.argv[1:3]
examples, table, dimensions, batch, steps, threads = map(int, sys.argv[3:])
torch.set_num_threads(threads)
torch.manual_seed(0)
rows = torch.from_numpy(np.fromfile(rows_file, "<i4")).long()
offsets = torch.from_numpy(np.fromfile(offsets_file, "<i4")).long()
labels = torch.arange(examples) % 2
bag = nn.EmbeddingBag(table, dimensions, mode="sum", sparse=True)
head = nn.Linear(dimensions, 2)
optimizer = torch.optim.Adagrad([*bag.parameters(), *head.parameters()], lr=0.1, initial_accumulator_value=0.1)
loss_of = nn.CrossEntropyLoss()


def train(count: int) -> None:
    for step in range(count):
        start = step * batch % (examples - batch)
        begin = offsets[start]
        chosen = rows[begin : offsets[start + batch]]
        counts = offsets[start + 1 : start + batch + 1] - offsets[start : start + batch]
        sums = bag(chosen, offsets[start : start + batch] - begin)
        loss = loss_of(head(sums / counts.clamp(min=1).sqrt()[:, None]), labels[start : start + batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    loss.item()


train(10)
begin = time.perf_counter()
train(steps)
print(time.perf_counter() - begin)

"""What people would use instead, on the same embeddings and splits; a JSON object on the last line.

    python baselines.py TRAIN.f32 TRAIN.labels TEST.f32 TEST.labels WIDTH WHAT,WHAT [RUN-SEED RUN-SEED …]

Files hold little-endian float32 rows, and int32 labels. WHAT: `logistic` (standardised, C by 5-fold cross-validation),
`mlp` (scikit-learn's MLPClassifier, Adam, 5 epochs, standardised, mean of 5 seeds), `torch` (the tutorial's head: hidden
500,100, ReLU, Adagrad 0.003 from 0.1, 1,000 steps of 128, summed loss; the mean of runs that have the start and the
batches of the hub's: RUN-SEED.f32 holds weights [in, out] and biases layer by layer, RUN-SEED.u32 the examples of all
steps one after another, each pass over the data ending in a short batch).
"""

import json
import sys
import warnings

import numpy as np
import torch
from sklearn.linear_model import LogisticRegressionCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

train_file, train_labels, test_file, test_labels, width, wanted, *runs = sys.argv[1:]
features = np.fromfile(train_file, "<f4").reshape(-1, int(width))
labels = np.fromfile(train_labels, "<i4")
test_features = np.fromfile(test_file, "<f4").reshape(-1, int(width))
test = np.fromfile(test_labels, "<i4")
found = {}
warnings.filterwarnings("ignore", message=".*Maximum iterations.*")
warnings.filterwarnings("ignore", category=FutureWarning)


def logistic() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=10, cv=5, max_iter=1000))
    model.fit(features, labels)
    found["logisticTrain"] = model.score(features, labels)
    found["logistic"] = model.score(test_features, test)


def mlp() -> None:
    scores = []
    for seed in range(5):
        model = make_pipeline(StandardScaler(), MLPClassifier(solver="adam", max_iter=5, random_state=seed))
        scores.append(model.fit(features, labels).score(test_features, test))
    found["mlp"] = float(np.mean(scores))


def tutorial() -> None:
    torch.set_num_threads(2)
    data, answers = torch.from_numpy(features.copy()), torch.from_numpy(labels.copy()).long()
    test_data, test_answers = torch.from_numpy(test_features.copy()), torch.from_numpy(test.copy()).long()
    scores = []
    for run in runs:
        start = torch.from_numpy(np.fromfile(f"{run}.f32", "<f4"))
        order = torch.from_numpy(np.fromfile(f"{run}.u32", "<u4").astype("int64"))
        model = nn.Sequential(
            nn.Linear(data.shape[1], 500), nn.ReLU(), nn.Linear(500, 100), nn.ReLU(), nn.Linear(100, 2)
        )
        at = 0
        for layer in (model[0], model[2], model[4]):
            inputs, outputs = layer.in_features, layer.out_features
            weight, bias = start[at : at + inputs * outputs], start[at + inputs * outputs :][:outputs]
            layer.weight.data = weight.reshape(inputs, outputs).T.contiguous()
            layer.bias.data = bias.clone()
            at += inputs * outputs + outputs
        optimizer = torch.optim.Adagrad(model.parameters(), lr=0.003, initial_accumulator_value=0.1)
        loss_of = nn.CrossEntropyLoss(reduction="sum")
        for batch in (batch for epoch in order.split(len(data)) for batch in epoch.split(128)):
            loss = loss_of(model(data[batch]), answers[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            right = [(model(x).argmax(1) == y).float().mean().item()
                     for x, y in ((data, answers), (test_data, test_answers))]  # fmt: skip
        scores.append(right)
    found["torchTrain"], found["torch"] = np.mean(scores, axis=0).tolist()


for name in wanted.split(","):
    {"logistic": logistic, "mlp": mlp, "torch": tutorial}[name]()
print(json.dumps(found))

from tests.reproductions.tiny_paper import task as tiny


class Task(tiny.Task):
    def evaluate(self, model):
        (accuracy,) = super().evaluate(model)
        return [{**accuracy, "claim": "claimed:accuracy", "protocol": {"averaged": 2}}]


def structure():
    (count,) = tiny.structure()
    return [
        {**count, "claim": "claimed:parameters", "protocol": {"vocabulary": 13}},
        {**count, "claim": "claimed:wrong-parameters", "protocol": {"vocabulary": 13}},
        {**count, "claim": "claimed:other-vocabulary", "protocol": {"vocabulary": 13}},
    ]

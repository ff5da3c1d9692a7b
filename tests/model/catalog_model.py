"""catalog_model.py - a catalog's edges, and the walk over them that finds what belongs together."""
import heapq
from decimal import Decimal

ONE = 65536  # 1.0 as 16.16 fixed point
FULL = 65535  # the strength of a node's strongest edge
FLOOR = ONE // 256


class Catalog:
    """What a catalog file says: for each item its edges, strongest first, as (strength, to)."""

    def __init__(self, text, dictionary):
        weights = {}
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            start, end, weight = line.split("\t")
            for name in (start, end):
                dictionary.setdefault(name.encode(), len(dictionary))
            pair = dictionary[start.encode()], dictionary[end.encode()]
            weights[pair] = weights.get(pair, 0) + int(Decimal(weight) * 10**9)
        self.items = {item for pair in weights for item in pair}
        strongest = {}
        for (start, _), weight in weights.items():
            strongest[start] = max(strongest.get(start, 0), weight)
        self.edges = {item: [] for item in self.items}
        for (start, end), weight in weights.items():
            self.edges[start].append((weight, max(1, (2 * weight * FULL + strongest[start]) // (2 * strongest[start])), end))
        for edges in self.edges.values():
            edges.sort(key=lambda edge: (-edge[0], edge[2]))
            edges[:] = [edge[1:] for edge in edges]


def walk(hunt, sources):
    """Spreading activation: (edges, stopped, the best items, their scores together)."""
    queue = [(-ONE, item, 0) for item in sources]
    heapq.heapify(queue)
    queued = {item: ONE for item in sources}
    done, score, edges, stopped = set(), {}, 0, False
    while queue and not stopped:
        negative, item, hop = heapq.heappop(queue)
        if item in done:
            continue
        done.add(item)
        for strength, target in hunt.strongest(item):
            if edges == hunt.budget:
                stopped = True
                break
            edges += 1
            passed = (-negative * hunt.decay // ONE) * strength // FULL
            score[target] = score.get(target, 0) + passed
            if target not in done and hop + 1 < hunt.max_depth and passed >= FLOOR and passed >= queued.get(target, 0):
                queued[target] = passed
                heapq.heappush(queue, (-passed, target, hop + 1))
    best = sorted((-total, item) for item, total in score.items() if total > 0)[:hunt.items]
    return edges, stopped, [item for _, item in best], -sum(total for total, _ in best)

"""Moving and standing traffic: vehicles in their lanes, parked cars, pedestrians; a pure function of time."""

from dataclasses import dataclass

import numpy as np

from synth.street.objects.people import Person, make_person
from synth.street.objects.vehicles import Vehicle, make_vehicle
from synth.street.setting import Setting

_LOOP_M = 150.0


@dataclass(frozen=True)
class Driver:
    """A vehicle in a lane; it comes round again after 150 m, so a lane never runs empty."""

    vehicle: Vehicle
    x: float
    start_m: float
    speed_m_s: float

    def depth_at(self, time_s: float) -> float:
        """Depth in metres of its nearest end."""
        travel = self.speed_m_s * time_s * (1 if self.vehicle.away else -1)
        return (self.start_m + travel) % _LOOP_M - 8.0


@dataclass(frozen=True)
class Walker:
    """A person on the pavement; speed 0: standing, or sitting if `sitting`."""

    person: Person
    x: float
    start_m: float
    speed_m_s: float
    heading: float
    sitting: bool

    def depth_at(self, time_s: float) -> float:
        """Depth in metres of the feet."""
        return (self.start_m + self.speed_m_s * time_s) % 60.0 + 5.0

    def gait_at(self, time_s: float) -> float:
        """Phase of the legs in radians."""
        return self.start_m + self.speed_m_s * time_s * 4.2 if self.speed_m_s else 0.0


@dataclass(frozen=True)
class Traffic:
    """Everything of a street that may move."""

    drivers: tuple[Driver, ...]
    walkers: tuple[Walker, ...]


def make_traffic(setting: Setting, rng: np.random.Generator) -> Traffic:
    """Two lanes of moving vehicles and some pedestrians on both pavements."""
    world, road = setting.world, setting.road
    drivers: list[Driver] = []
    for lane, away in ((road.lane_out, True), (road.lane_in, False)):
        speed, start = world.pick(rng, 5.0, 10.0), world.pick(rng, 0, 30)
        while start < _LOOP_M - 14:
            drivers.append(Driver(make_vehicle(world, rng, away=away), lane, start, speed))
            start += world.pick(rng, 22, 75)
    walkers = []
    for _ in range(int(rng.integers(3, 10))):
        left = rng.random() < 0.5
        kerb, wall = (road.kerb_left, road.wall_left) if left else (road.kerb_right, road.wall_right)
        x = kerb + (wall - kerb) * rng.uniform(0.2, 0.8)
        moving = rng.random() < 0.7
        speed = world.pick(rng, 0.8, 1.6) * (1 if rng.random() < 0.5 else -1) if moving else 0.0
        heading = 0.0 if moving else float(rng.uniform(0, 6.3))
        sitting = not moving and rng.random() < 0.35
        walkers.append(
            Walker(make_person(world, rng), float(x), float(rng.uniform(0, 60)), speed, heading, sitting)
        )
    return Traffic(tuple(drivers), tuple(walkers))


def park(setting: Setting, rng: np.random.Generator) -> list[tuple[Vehicle, float, float]]:
    """Parked vehicles (vehicle, x, z) along the kerbs, farthest first."""
    world, road = setting.world, setting.road
    parked = []
    for kerb, away in ((road.kerb_right, True), (road.kerb_left, False)):
        inward = -1.0 if kerb == road.kerb_right else 1.0
        z = world.pick(rng, 3, 14)
        busy = rng.random()
        while z < 75:
            if rng.random() < busy * 0.6:
                vehicle = make_vehicle(world, rng, away=away)
                parked.append((vehicle, kerb + inward * (vehicle.width_m / 2 + 0.15), z))
                z += vehicle.length_m
            z += world.pick(rng, 1.2, 9)
    return sorted(parked, key=lambda p: -p[2])

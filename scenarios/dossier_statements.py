"""What a dossier says whatever was measured: what the learned world is for, what it takes for granted, what is not
known of it, and what simulation-credibility rules ask for.

What the rules ask for is told after: "New Assessment/Test Method for Automated Driving (NATM), Guidelines for
Validating Automated Driving System (ADS)" (UNECE, ECE/TRANS/WP.29/2022/58), its chapter on the credibility of a virtual
toolchain; Commission Implementing Regulation (EU) 2022/1426, Annex III Part 4; ISO 34502:2022. A dossier is written
along their headings. It is no assessment by them: that is an authority's.
"""

from __future__ import annotations

SCOPE = (
    (
        "intended use",
        "Closed-loop tests of a driving policy in simulated traffic: to rank policies, and to find failures, which are "
        "to be confirmed in the world that the model was learned from.",
    ),
    (
        "not intended",
        "Failure rates on real roads, type approval, the safety case of a vehicle; tests of sensors or of perception "
        "on real pictures; vehicle dynamics near their limits.",
    ),
    (
        "the reference",
        "A simulator, the reference world. All agreement in this dossier is with it, and none of it with real traffic.",
    ),
    (
        "criticality",
        "A wrong result can pass a policy that fails in the reference world (a hidden failure) or cost work on a "
        "failure that is none (a made-up one). Both are counted and named below.",
    ),
)
"""What the simulation is for, NATM's scope."""

ASSUMPTIONS = (
    "The ego moves as a kinematic bicycle with lags of pedal and steering; friction, load, slopes and damage change "
    "nothing.",
    "Ego motion, route, lights, signs and other road users are tracked, not read off generated pictures; scores and "
    "failures are computed from what is tracked. A policy that looks sees generated pictures.",
    "The layout of the start is the road: what it does not tell, 80 m and more beside the route, is not there for the "
    "traffic.",
    "Scripted road users of a scenario are moved by the same scripts in both worlds; only the others are learned.",
    "At most 16 road users that are not parked are tracked, and a state lists the twelve nearest within 60 m.",
    "Light and weather stay those of the start unless they are edited.",
    "Cases are independent draws from their scenarios' distributions, each in a town of its own.",
)
"""What is taken for granted."""

NOT_KNOWN = (
    "How far either world is from real traffic: no real drive took part.",
    "How often the scenarios come about on real roads: their parameters are drawn from stated ranges, not from "
    "observed frequencies.",
    "How the numbers come out for a policy of another kind than those that were ranked.",
    "Whether the failures that no ranked planner ran into would be found.",
    "How the results change on another kind of processor: bit-for-bit repetition is claimed for one version of the "
    "numerical libraries on one kind of processor.",
    "The experience of those who set it up and the process of releases, which the rules ask for of an organisation.",
)
"""What no report of DriveDiT can tell, beside what this dossier lacks."""

NATM, EU, ISO = "NATM guidelines", "EU 2022/1426, Annex III Part 4", "ISO 34502"
ASKED_FOR = (
    ("scope, intended use and criticality of the simulation", f"{NATM}; {EU}", "1"),
    ("description of the toolchain, its releases, and the pedigree of its data", f"{NATM}; {EU}", "2"),
    (
        "assumptions, known limits, operational design domain, scenario space and its coverage",
        f"{NATM}; {EU}; {ISO}",
        "3",
    ),
    ("verification: of the code, and that results repeat", f"{NATM}; {EU}", "4"),
    ("validation: measures, goodness of fit, accuracy demanded, against a referent", f"{NATM}; {EU}", "5"),
    ("uncertainty: of inputs, of the sample and of the model", f"{NATM}; {EU}", "6"),
    ("known differences and what follows of them", f"{NATM}; {EU}", "7"),
    ("sensitivity of the results", f"{NATM}; {EU}", "8"),
    ("what was avoidable: reference drivers of UN R157 and others", ISO, "in the validation report, case by case"),
    ("team and management of releases", f"{NATM}; {EU}", "not here"),
)
"""What is asked for, by whom, and the section that has it."""

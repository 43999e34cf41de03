"""Makes up stories about the life of subscriptions until one shows that a target disagrees with the pages.

A hypothesis state machine chooses the steps; equal seeds make up equal stories. What a story tells is shortened by
playing it again without some of its steps.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from fulfillment_conformance import hypothesis_home
from fulfillment_conformance.backend.patience import Patience
from fulfillment_conformance.backend.situations import Situations
from fulfillment_conformance.backend.stories import Disagreement, Story
from fulfillment_conformance.backend.story_files import shrink
from fulfillment_conformance.backend.story_menu import possible_steps, purchase
from fulfillment_conformance.backend.webhook import Webhook
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import Interruption
from fulfillment_conformance.lifecycle_model import Deed, Step


@dataclass
class Told:
    """What came of telling stories.

    Attributes:
        stories: how many were told.
        came_across: requirement id -> how often something was compared by it, and agreed.
        steps: the story that shows a disagreement, as short as it could be made; empty where all agreed.
        exchanges: the calls of the API in it.
        disagreement: what the target did in it.
        unrepeated: whether the disagreement did not come again when its story was repeated.
        reason: why a requirement was not come across.
        notes: the story in words, and how to repeat it.
    """

    stories: int = 0
    came_across: Counter[str] = field(default_factory=Counter)
    steps: Sequence[Step] = ()
    exchanges: Sequence[Exchange] = ()
    disagreement: Disagreement | None = None
    unrepeated: bool = False
    reason: str = "chance did not choose it"
    notes: list[str] = field(default_factory=list)


@dataclass
class Teller:
    """Tells stories about one target.

    Args:
        situations: the target.
        webhook: its notifications, None where it cannot call the suite's own webhook.
        profile: `documented` or `observed`.
    """

    situations: Situations
    webhook: Webhook | None
    profile: str
    told: Told = field(default_factory=Told)
    story: Story | None = None
    patience: dict[Deed, Patience] = field(default_factory=dict)
    """How long this target has needed so far; see `Story`."""
    interruption: Interruption | None = None
    """Why no more can be told: the target cannot be put into a situation, or gives no answer."""
    _latest: Disagreement | None = None

    def begin(self) -> Story:
        """Begin a new story."""
        if self.interruption is not None:
            raise self.interruption
        self.told.stories += 1
        self.story = self._new()
        return self.story

    def explore(self, *, number: int, stories: int, steps: int, folder: Path) -> Told:
        """Make up stories.

        Args:
            number: the seed.
            stories: how many at most.
            steps: how many steps each has at most.
            folder: where hypothesis may keep what it wants to.

        Raises:
            Interruption: a situation could not be arranged.
        """
        hypothesis_home.settle(folder)
        bounds = settings(
            max_examples=stories,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )
        machine = seed(number)(type("StoryMachine", (StoryMachine,), {"teller": self}))
        try:
            run_state_machine_as_test(machine, settings=bounds)
        except Disagreement as found:
            assert self.story is not None
            self._keep(self.story, found)
            self._shorten(found)
        except Flaky:
            # What hypothesis repeats to make sure of it went otherwise; after an interruption nothing can be repeated.
            if self._latest is None and self.interruption is not None:
                raise self.interruption from None
            self.told.disagreement, self.told.unrepeated = self._latest, True
        return self.told

    def replay(self, steps: Sequence[Step]) -> Told:
        """Play a story that is known already."""
        story = self.begin()
        try:
            for step in steps:
                story.play(step)
        except Disagreement as found:
            self._keep(story, found)
        return self.told

    def heard(self, disagreement: Disagreement) -> None:
        """Remember the latest disagreement, in case it does not come again."""
        self._latest = disagreement

    def _shorten(self, found: Disagreement) -> None:
        def fails(steps: Sequence[Step]) -> bool:
            story = self._new(Counter())
            try:
                for step in steps:
                    story.play(step)
            except Disagreement as again:
                if again.requirement != found.requirement:
                    return False
                self._keep(story, again)
                return True
            return False

        shrink(self.told.steps, fails)

    def _keep(self, story: Story, found: Disagreement) -> None:
        self.told.steps, self.told.exchanges, self.told.disagreement = tuple(story.steps), tuple(story.exchanges), found

    def _new(self, counts: Counter[str] | None = None) -> Story:
        came_across = self.told.came_across if counts is None else counts
        return Story(
            self.situations, self.webhook, profile=self.profile, came_across=came_across, patience=self.patience
        )


class StoryMachine(RuleBasedStateMachine):
    """Chooses the steps of one story, in one rule, so that each is as likely in every story as the menu says."""

    teller: Teller

    def __init__(self) -> None:
        super().__init__()
        self._story = self.teller.begin()

    @initialize(per_seat=st.booleans(), active=st.booleans())
    def begin(self, per_seat: bool, active: bool) -> None:
        """A story begins with a purchase, which perhaps is activated."""
        self._play(purchase(self._story, self.teller.situations, per_seat=per_seat))
        if active:
            self._play(Step(do="activate", of="A"))

    @rule(choice=st.integers(0, 2**16 - 1))
    def go_on(self, choice: int) -> None:
        """Something happens."""
        menu = possible_steps(self._story, self.teller.situations)
        if menu:
            # Hypothesis likes small numbers; multiplied so, they are as good as any.
            self._play(menu[(choice * 40_503 + 12_345) % 2**16 % len(menu)])

    def _play(self, step: Step) -> None:
        try:
            self._story.play(step)
        except Interruption as interruption:
            self.teller.interruption = interruption
            raise
        except Disagreement as disagreement:
            self.teller.heard(disagreement)
            raise

"""Composing context: never over budget, the most valuable is told, the same for the same pieces."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obra.events import LeftOut
from obra.services.session_manager.context import Composed, Piece, clip, compose, score, words_of, worth
from obra.shared.tokens import count

thorough = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
WORDS = ("parser", "report", "orders", "the", "line 17", "assert", "E", "\n", "file.py")


@st.composite
def pieces(draw: st.DrawFn) -> list[Piece]:
    many = draw(st.integers(0, 8))
    return [
        Piece(
            f"p{number}",
            head=draw(st.sampled_from(["", "The check said:\n"])),
            body=" ".join(draw(st.lists(st.sampled_from(WORDS), max_size=400))),
            importance=draw(st.sampled_from([0.3, 0.5, 0.9, 1.0])),
            age=draw(st.integers(0, 5)),
            cuts=draw(st.booleans()),
        )
        for number in range(many)
    ]


@thorough
@given(given_pieces=pieces(), budget=st.integers(0, 800))
def test_what_is_told_fits_and_what_is_not_is_recorded(given_pieces: list[Piece], budget: int) -> None:
    made = compose(given_pieces, "fix the parser of the report", budget)
    assert made == compose(given_pieces, "fix the parser of the report", budget)
    assert sum(piece.tokens for piece in made.told) == made.tokens <= budget
    whole = {piece.name for piece in made.told if not piece.cut}
    noted = {left.piece for left in made.left_out}
    assert whole | noted == {piece.name for piece in given_pieces}
    assert not whole & noted


@thorough
@given(given_pieces=pieces(), budget=st.integers(1, 800), order=st.randoms(use_true_random=False))
def test_the_order_in_which_pieces_come_does_not_matter(given_pieces: list[Piece], budget: int, order: object) -> None:
    shuffled = list(given_pieces)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert compose(shuffled, "parser", budget) == compose(given_pieces, "parser", budget)


@thorough
@given(given_pieces=pieces(), budget=st.integers(1, 800))
def test_the_piece_of_the_highest_score_is_told_wherever_it_fits(given_pieces: list[Piece], budget: int) -> None:
    fitting = [piece for piece in given_pieces if piece.tokens <= budget]
    if not fitting or len(fitting) < len(given_pieces):
        return
    asked = words_of("parser")
    best = max(fitting, key=lambda p: (score(worth(p, asked), p.tokens, budget), -p.tokens))
    told = compose(given_pieces, "parser", budget).told
    assert score(worth(told[0], asked), told[0].tokens, budget) == score(worth(best, asked), best.tokens, budget)


def test_newer_relevant_and_smaller_pieces_go_first() -> None:
    old, new = Piece("old", "", "some text here", age=3), Piece("new", "", "some text here")
    relevant, long = Piece("relevant", "", "the parser broke it"), Piece("long", "", "some text here " * 30)
    told = compose([old, long, new, relevant], "parser", 1_000).told
    assert [piece.name for piece in told] == ["relevant", "new", "long", "old"]


def test_a_piece_that_may_be_cut_gets_the_room_that_is_left() -> None:
    output = "\n".join(f"line {number}" for number in range(500))
    made = compose([Piece("check:1", "Output:\n", output, cuts=True)], "", 200)
    (told,) = made.told
    assert told.cut
    assert made.tokens == told.tokens <= 200
    assert told.body.startswith("line 0")
    assert told.body.endswith("line 499")
    assert "characters left out" in told.body
    whole = count("Output:\n") + count(output)
    assert made.left_out == (
        LeftOut(piece="check:1", reason=f"cut to {told.tokens} tokens, all that was left", tokens=whole - told.tokens),
    )


def test_what_does_not_fit_is_left_out_with_the_reason() -> None:
    made = compose([Piece("words", "", "a b c d e f g h")], "", 3)
    assert made == Composed((), (LeftOut(piece="words", reason="3 tokens were left of 3", tokens=8),), 0)


def test_clipped_text_keeps_both_ends() -> None:
    assert clip("abcdefghij", 10) == "abcdefghij"
    assert clip("abcdefghij", 4) == "ab\n[… 6 of 10 characters left out …]\nij"

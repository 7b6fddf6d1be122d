"""What is read of a module's text is what stands there, loops multiplied out."""

import pytest

from bert_jax.preflight import hlo
from bert_jax.preflight.parts import part_of

MODULE = """HloModule jit_step, is_scheduled=true

%condition.1 (state.1: (s32[], f32[8,128])) -> pred[] {
  %bound.1 = s32[]{:T(128)} constant(12)
  %state.1 = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) parameter(0)
  %counter.1 = s32[]{:T(128)} get-tuple-element(%state.1), index=0
  ROOT %less.1 = pred[]{:T(512)} compare(%counter.1, %bound.1), direction=LT
}

%body.1 (state.2: (s32[], f32[8,128])) -> (s32[], f32[8,128]) {
  %state.2 = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) parameter(0)
  %fusion.2 = f32[8,128]{1,0:T(8,128)} fusion(%state.2), kind=kOutput, calls=%inner, metadata={op_name="jit(step)/jvp(Bert)/bert/encoder/while/body/attention/dot"}, backend_config={"estimated_cycles":"100"}
  %all-gather.1 = bf16[64,128]{1,0:T(8,128)(2,1)} all-gather(%fusion.2), channel_id=1, replica_groups=[2,4]<=[8], dimensions={0}
  ROOT %out.1 = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) tuple(%state.2, %fusion.2)
}

%gathering.1 (part.1: f32[8]) -> (f32[8], f32[32]) {
  %part.1 = f32[8]{0} parameter(0)
  %gathered.1 = f32[32]{0} all-gather(%part.1), channel_id=8, replica_groups={{0,1,2,3}}, dimensions={0}
}

%gathering.2 (part.2: f32[8]) -> f32[8,128] {
  %part.2 = f32[8]{0} parameter(0)
  %gathered.2 = f32[32]{0} all-gather(%part.2), channel_id=8, replica_groups={{0,1,2,3}}, dimensions={0}
}

%reducing.1 (part.3: f32[8,128]) -> f32[16] {
  %part.3 = f32[8,128]{1,0} parameter(0)
  %reduced.1 = f32[64]{0} all-reduce(%part.3), channel_id=7, replica_groups={{0,1,2,3}}, to_apply=%add
}

%inner (part.4: f32[30522,128], index.4: s32[8]) -> f32[8,128] {
  %part.4 = f32[30522,128]{1,0} parameter(0)
  %index.4 = s32[8]{0} parameter(1)
  ROOT %gather.4 = f32[8,128]{1,0} gather(%part.4, %index.4), offset_dims={1}
}

%adding.1 (part.5: f32[8,128], index.5: s32[4]) -> f32[8,128] {
  %part.5 = f32[8,128]{1,0} parameter(0)
  %index.5 = s32[4]{0} parameter(1)
  %update.5 = f32[4,128]{1,0} parameter(2)
  ROOT %scatter.5 = f32[8,128]{1,0} scatter(%part.5, %index.5, %update.5), to_apply=%add
}

ENTRY %main.1 (param.1: f32[8,128]) -> f32[] {
  %param.1 = f32[8,128]{1,0:T(8,128)} parameter(0)
  %zero.1 = s32[]{:T(128)} constant(2)
  %begin.1 = s32[]{:T(128)} copy(%zero.1), backend_config={"estimated_cycles":"7"}
  %tuple.1 = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) tuple(%begin.1, %param.1)
  %while.1 = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) while(%tuple.1), condition=%condition.1, body=%body.1, metadata={op_name="jit(step)/while"}
  %hint.1 = s32[4096]{0:T(1024)} custom-call(%param.1), custom_call_target="AssumeGatherIndicesInBound"
  %kernel.1 = bf16[4096]{0:T(1024)} custom-call(%param.1), custom_call_target="tpu_custom_call", metadata={op_name="jit(step)/flash"}, backend_config={"custom_call_config":{"cost_estimate":{"flops":"1000","transcendentals":"0","bytes_accessed":"512"}}}
  %lookup.1 = f32[8,128]{1,0} fusion(%param.1), kind=kCustom, calls=%inner, metadata={op_name="jit(step)/jvp(Bert)/bert/embeddings/jit(_take)/gather"}
  %sum.1 = (f32[]{:T(128)}, bf16[10,768]{1,0:T(8,128)(2,1)}) all-reduce(%param.1), channel_id=2, replica_groups=mesh['a'=2,'b'=4] {'a','b'}, to_apply=%add
  %start.1 = (f32[8,8]{1,0}, f32[16,8]{1,0}) all-gather-start(%param.1), channel_id=3, replica_groups={{0,1},{2,3}}
  %done.1 = f32[16,8]{1,0} all-gather-done(%start.1)
  %begun.1 = (f32[8]{0}, f32[32]{0}) fusion(%param.1), kind=kCustom, calls=%gathering.1
  %meanwhile.1 = f32[8,128]{1,0} fusion(%begun.1), kind=kOutput, calls=%gathering.2, metadata={op_name="jit(step)/dot"}, backend_config={"estimated_cycles":"3"}
  %scattered.1 = f32[16]{0} fusion(%param.1), kind=kCustom, calls=%reducing.1
  %send.1 = (f32[16]{0}, u32[], token[]) send(%scattered.1, %zero.1), channel_id=9, is_host_transfer=true, frontend_attributes={_xla_megascale_target="{1,2}x{0:3}",_xla_megascale_transfer_type="ALL_REDUCE"}
  %shift.1 = f32[8,8]{1,0} collective-permute(%param.1), channel_id=4, source_target_pairs={{0,1},{1,0}}
  %rows.1 = f32[8,128]{1,0} all-reduce(%param.1), channel_id=5, replica_groups=[2,2]<=[2,2]T(1,0), to_apply=%add
  %table.1 = f32[8,128]{1,0} fusion(%param.1, %start.1), kind=kCustom, calls=%adding.1, metadata={op_name="jit(step)/scatter-add"}
  ROOT %fusion.1 = f32[]{:T(128)} fusion(%while.1), kind=kLoop, calls=%inner, metadata={op_name="jit(step)/add"}, backend_config={"estimated_cycles":"50"}
}
"""  # noqa: E501


def test_loops_are_multiplied_out():
    cost = hlo.cost(MODULE)
    assert cost.loops == {"while.1": 10}  # from 2, through a copy, to 12
    assert cost.cycles.total() == 10 * 100 + 50 + 7 + 3
    assert cost.cycles["jit(step)/jvp(Bert)/bert/encoder/while/body/attention/dot"] == 1000


def test_collectives_have_bytes_and_groups():
    found = hlo.cost(MODULE).collectives
    assert hlo.Collective("all-gather", 64 * 128 * 2, ((0, 1, 2, 3), (4, 5, 6, 7)), 10) in found
    assert hlo.Collective("all-reduce", 4 + 10 * 768 * 2, (tuple(range(8)),), 1) in found
    assert hlo.Collective("all-gather", 16 * 8 * 4, ((0, 1), (2, 3)), 1) in found
    assert hlo.Collective("collective-permute", 8 * 8 * 4, ((0, 1), (1, 0)), 1) in found
    assert hlo.Collective("all-reduce", 8 * 128 * 4, ((0, 2), (1, 3)), 1) in found
    assert len(found) == 8


def test_collectives_are_found_in_fusions_once_and_between_slices():
    found = hlo.cost(MODULE).collectives
    assert found.count(hlo.Collective("all-gather", 32 * 4, ((0, 1, 2, 3),), 1)) == 1
    assert hlo.Collective("reduce-scatter", 16 * 4, ((0, 1, 2, 3),), 1) in found
    assert hlo.Collective("all-reduce", 16 * 4, (), 1, between_slices=True) in found


@pytest.mark.parametrize(
    "written, groups",
    [
        ("mesh['a'=2,'b'=2] {'a'}", ((0, 2), (1, 3))),
        ("mesh['a'=2,'b'=2] {'b'}", ((0, 1), (2, 3))),
        ("[2,2]<=[4]", ((0, 1), (2, 3))),
        ("[1,4]<=[4]", ((0, 1, 2, 3),)),
        ("[2,2]<=[2,2]T(1,0)", ((0, 2), (1, 3))),
        ("{{0,3},{1,2}}", ((0, 3), (1, 2))),
    ],
)
def test_groups_are_read_as_they_are_written(written, groups):
    before = "replica_groups=mesh['a'=2,'b'=4] {'a','b'}"
    assert before in MODULE
    found = hlo.cost(MODULE.replace(before, f"replica_groups={written}")).collectives
    assert hlo.Collective("all-reduce", 4 + 10 * 768 * 2, groups, 1) in found


def test_what_has_no_estimate_is_named():
    row = 128 * 4
    assert hlo.cost(MODULE).uncosted == [
        hlo.Uncosted("custom-call tpu_custom_call", 512, 1000, 1),  # as the kernel says itself
        hlo.Uncosted("gather", 2 * 8 * row, 0, 1),  # not the whole table
        hlo.Uncosted("scatter-add", 3 * 4 * row, 0, 1),
    ]


@pytest.mark.parametrize(
    "before, after, what",
    [
        ("constant(12)", "parameter(1)", "no constant bound"),
        ("direction=LT", "direction=NE", "no counter"),
        ("copy(%zero.1)", "negate(%zero.1)", "begins at a value"),
    ],
)
def test_a_loop_that_is_not_counted_is_no_guess(before, after, what):
    with pytest.raises(ValueError, match=what):
        hlo.cost(MODULE.replace(before, after))


@pytest.mark.parametrize(
    "name, part",
    [
        (
            "jit(step)/transpose(jvp(Bert))/bert/encoder/layer_1/attention/query/dot_general",
            "attention, backward",
        ),
        (
            "jit(step)/jvp(Bert)/bert/encoder/layers/feed_forward/output/dot_general",
            "feed-forward, forward",
        ),
        (
            "jit(step)/jvp(Bert)/bert/encoder/layer_0/attention_layer_norm/mul",
            "LayerNorm of layers, forward",
        ),
        (
            "jit(step)/jvp(Bert)/bert/encoder/layer_0/Dropout_0/select_n",
            "dropout and residuals of layers, forward",
        ),
        ("jit(step)/transpose(jvp(Bert))/mlm/transform/dot_general", "MLM head, backward"),
        ("jit(step)/jvp(Bert)/nsp/dense/dot_general", "other heads, forward"),
        ("jit(step)/jvp()/sub", "loss, forward"),
        ("jit(step)/mul", "optimiser, clipping, metrics"),
        ("", "unnamed (copies, layouts)"),
    ],
)
def test_parts_of_the_model(name, part):
    assert part_of(name) == part

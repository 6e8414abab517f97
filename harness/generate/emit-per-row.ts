import { CLIP, called, carriedText, type RuleParts, stored, XYZW } from './emit.js';

/*
 * A rule with one value of a slot for each row of a tensor. What the rule makes of that slot is linear in what an element brings, so
 * that its mean over the row is what the rule makes of the means: Adam's v + c·(g² - v) becomes v + c·(mean of g² - v). So the
 * same `rule` is called twice: for the slot's new value at every element, which is averaged, then with that value and the scalar
 * `hold` at 0, which leaves it as it is, for all else.
 */

/** The words of a tile in the table of tiles (src/optim/per-row.ts). */
const TILE = `// Rows of one tensor: where the first one begins in the arena, how many, how long; where its value lies; how many lanes have a row.
struct Tile {
  first: u32,
  rows: u32,
  width: u32,
  state: u32,
  lanes: u32,
  group: u32,
}`;

/** @param slot of which there is one value for each row @param hold the scalar of `Hyper` that keeps it as it is where it is 0 */
export function emitPerRow(parts: RuleParts, slot: string, hold: string): string {
  const bindings = [
    'var<uniform> hyper: array<Hyper, 1024>',
    'var<storage, read_write> param: array<f32>',
    'var<storage, read> grad: array<f32>',
    ...parts.slots.map(({ name }) => `var<storage, read_write> ${name}: array<f32>`),
    'var<storage, read> tiles: array<Tile>',
  ].map((text, i) => `@group(0) @binding(${i}) ${text};`);
  return `// Generated from shaders/optim/${parts.name}.wgsl by harness/generate/emit-per-row.ts: its rule with one ${slot} for each row.

override WORKGROUP: u32 = 64;

${TILE}

${bindings.join('\n')}

${carriedText(parts)}

${CLIP}

${loop(parts, slot, hold)}
`;
}

function loop(parts: RuleParts, slot: string, hold: string): string {
  const four = (array: string) => `vec4f(${XYZW.map((lane) => `${array}[e.${lane}]`).join(', ')})`;
  const access = (row: string) => ({
    load: (array: string) => (array === slot ? `vec4f(${row})` : four(array)),
    store: (array: string, value: string) =>
      array === slot ? '' : XYZW.map((lane) => `${array}[e.${lane}] = ${value}.${lane};`).join(' '),
    gradient: four('grad'),
  });
  const next = access('next');
  const quads = 'for (var k = 4u * part; k < tile.width; k += 4u * tile.lanes)';
  const without = { ...parts, slots: parts.slots.filter(({ name }) => name !== slot) };
  return `var<workgroup> sums: array<f32, WORKGROUP>;

// A workgroup has a tile, so many lanes each row of it: every lane sums some of the row, all add the sums in order. What is past
// the row's end stands for its last element, computed and stored again. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn update(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (index >= arrayLength(&tiles)) {
    return;
  }
  let tile = tiles[index];
  let record = hyper[tile.group * groups.z + group.z];
  if (record.skip != 0u) {
    return;
  }
  let row = lane / tile.lanes;
  let part = lane % tile.lanes;
  let own = min(row, tile.rows - 1u);
  let first = group.z * (arrayLength(&param) / groups.z) + tile.first + own * tile.width;
  let place = group.z * (arrayLength(&${slot}) / groups.z) + tile.state + own;
  let old = ${slot}[place];
  var sum = 0.0;
  ${quads} {
    let h = record;
    let at = vec4u(k) + vec4u(0u, 1u, 2u, 3u);
    let e = first + min(at, vec4u(tile.width - 1u));
    ${called(parts, access('old'), '    ')}
    sum += dot(select(vec4f(), out.${slot}, at < vec4u(tile.width)), vec4f(1.0));
  }
  sums[lane] = sum;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < tile.lanes; i++) { total += sums[row * tile.lanes + i]; }
  let next = total / f32(tile.width);
  if (row >= tile.rows) {
    return;
  }
  var h = record;
  h.${hold} = 0.0;
  ${quads} {
    let e = first + min(vec4u(k) + vec4u(0u, 1u, 2u, 3u), vec4u(tile.width - 1u));
    ${called(parts, next, '    ')}
    ${stored(without, next.store, '    ')}
  }
  if (part == 0u) { ${slot}[place] = next; }
}`;
}

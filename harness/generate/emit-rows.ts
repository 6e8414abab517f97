import { type Access, around, CLIP, carriedText, type RuleParts, XYZW } from './emit.js';
import { fieldsOf } from './wgsl-text.js';

/*
 * A rule over rows: fields of records that somebody else laid out, with a stride in parameters and one in gradients, rates by
 * row or column, and a mask. Scalar loads around the same `rule`: the bits are those of the plain update.
 */

/** The words of the table (src/kernels/rows.ts): a header, then the fields. */
const TABLE = `// The table: a header, then so many words for each field (src/kernels/rows.ts).
const FIELDS = 8u;
const WORDS = 16u;`;

/** Words of a record that come before those of a rule, and that no rate is a factor of. */
const HEADER = ['count', 'skip', 'grad_scale', 'clip_value', 'l2'];

/** The record with a rate as a factor of what is proportional to the learning rate. */
function rated(own: string): string {
  const lines = fieldsOf(own, 'Hyper').flatMap((field, i) => {
    const [, name, type] = /(\w+)\s*:\s*(\w+)$/.exec(field)!;
    if (type !== 'f32' || HEADER.includes(name!)) return [];
    return [`  out.${name} = h.${name} * select(1.0, rate, (linear & ${2 ** i}u) != 0u);`];
  });
  return `// \`linear\` has a bit for each word that is proportional to the learning rate.
fn rated(h: Hyper, rate: f32, linear: u32) -> Hyper {
  var out = h;
${lines.join('\n')}
  return out;
}`;
}

/** @param shared one binding for parameters and gradients */
export function emitRows(parts: RuleParts, shared: boolean): string {
  const bindings = [
    'var<uniform> hyper: array<Hyper, 1024>',
    `var<storage, read_write> param: array<${shared ? 'u32' : 'f32'}>`,
    ...(shared ? [] : ['var<storage, read_write> grad: array<u32>']),
    ...parts.slots.map((slot) => `var<storage, read_write> ${slot.name}: array<f32>`),
    'var<storage, read> group_of: array<u32>',
    'var<storage, read> active_rows: array<u32>',
  ].map((text, i) => `@group(0) @binding(${i}) ${text};`);
  return `// Generated from shaders/optim/${parts.name}.wgsl by harness/generate/emit-rows.ts: its rule over rows${shared ? ', one binding' : ''}.

// 1: \`active\` has a word for each row, 0 where it is left alone; 2: it has the number of rows.
override ACTIVE: u32 = 0;
override RATES: bool = false;
// Look for the next rows that take part in a loop of its own.
override SEEK: bool = false;
override ZERO: bool = false;
override WORKGROUP: u32 = 64;

${TABLE}

${bindings.join('\n')}

${carriedText(parts)}

${CLIP}

${rated(parts.own)}

${loop(parts, shared)}
`;
}

function loop(parts: RuleParts, shared: boolean): string {
  const grad = shared ? 'param' : 'grad';
  const index = (array: string) => (array === 'param' ? 'at' : 'e');
  const wrap = (kind: string, array: string, text: string) =>
    shared && array === 'param' ? `bitcast<${kind}>(${text})` : text;
  const access: Access = {
    load: (array) => `vec4f(${XYZW.map((lane) => wrap('f32', array, `${array}[${index(array)}.${lane}]`)).join(', ')})`,
    store: (array, value) =>
      XYZW.map((lane) => `${array}[${index(array)}.${lane}] = ${wrap('u32', array, `${value}.${lane}`)};`).join(' '),
    gradient: 'raw',
  };
  const each = (text: (lane: string) => string) => XYZW.map(text).join(', ');
  return `// Which of four rows take part.
fn active_of(rows: vec4u) -> vec4<bool> {
  let flags = rows + group_of[3];
  return vec4u(${each((lane) => `active_rows[flags.${lane}]`)}) != vec4u();
}

// A vec4 is one column of four rows (\`down\` 4), or four columns of one row (\`across\` 4), or one element four times: what is
// past the end, or not active, stands for an element beside it that is, computed and stored twice. A lane has one item, a
// column or four, of every so many rows; neighbouring lanes have neighbouring columns.
@compute @workgroup_size(WORKGROUP)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let items = group_of[1];
  let teams = group_of[2];
  var count = group_of[0];
  if (ACTIVE == 2u) { count = min(count, max(active_rows[group_of[3]], group_of[4]) - group_of[4]); }
  for (var lane = id.x; lane < items * teams; lane += groups.x * WORKGROUP) {
    let item = lane % items;
    var f = FIELDS;
    while (group_of[f + WORDS] <= item) { f += WORDS; }
    let width = group_of[f + 1u];
    let across = group_of[f + 9u];
    let down = group_of[f + 10u];
    let column = (item - group_of[f]) * across;
    let columns = min(column + select(vec4u(), vec4u(0u, 1u, 2u, 3u), across == 4u), vec4u(width - 1u));
    let unit = bitcast<f32>(group_of[f + 8u]);
    let record = hyper[group_of[f + 7u]];
    // 2: gradients still accumulate. Else they are spent, even if the update is left out.
    if (record.skip == 2u || (record.skip != 0u && !ZERO)) {
      continue;
    }
    let under = select(vec4u(), vec4u(0u, 1u, 2u, 3u), down == 4u);
    for (var row = lane / items * down; row < count; row += teams * down) {
      var rows = min(row + under, vec4u(count - 1u));
      if (ACTIVE == 1u) {
        var on = active_of(rows);
        if (SEEK) {
          while (!any(on) && row + teams * down < count) {
            row += teams * down;
            rows = min(row + under, vec4u(count - 1u));
            on = active_of(rows);
          }
        }
        if (!any(on)) {
          continue;
        }
        let one = select(select(select(rows.w, rows.z, on.z), rows.y, on.y), rows.x, on.x);
        rows = select(vec4u(one), rows, on);
      }
      let from_grad = group_of[f + 4u] + rows * group_of[f + 5u] + columns;
      let bits = vec4u(${each((lane) => `${grad}[from_grad.${lane}]`)});
      if (ZERO) { ${XYZW.map((lane) => `${grad}[from_grad.${lane}] = 0u;`).join(' ')} }
      if (record.skip != 0u) {
        continue;
      }
      var raw = bitcast<vec4f>(bits);
      if (unit != 0.0) { raw = vec4f(bitcast<vec4i>(bits)) * unit; }
      var h = record;
      if (RATES) {
        var rate = 1.0;
        if (group_of[f + 11u] != 0u) { rate = bitcast<f32>(group_of[group_of[f + 11u] + row]); }
        if (group_of[f + 12u] != 0u) { rate *= bitcast<f32>(group_of[group_of[f + 12u] + column % group_of[f + 13u]]); }
        h = rated(record, rate, group_of[f + 14u]);
      }
      let at = group_of[f + 2u] + rows * group_of[f + 3u] + columns;
      let e = group_of[f + 6u] + rows * width + columns;
      ${around(parts, access, '      ')}
    }
  }
}`;
}

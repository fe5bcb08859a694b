/**
 * The 4×8 register block: eight accumulators, two loads of b and four broadcasts of a per step, which is what sixteen
 * vector registers hold. Larger blocks spill. One step a turn: unrolling by two measured slower.
 */

/**
 * How a block ends, as a type: adding to c (f32) or overwriting it (i32). Each has a loop of its own, because V8 gives
 * registers out worse when two endings follow one loop (8 % slower).
 */
type Adding = f32
type Overwriting = i32

/** a·b + c: one rounding with relaxed SIMD, two without. */
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c)
  return f32x4.add(f32x4.mul(a, b), c)
}

/**
 * Element r of a step of a in all lanes: a shuffle of the step (`as`) keeps the load ports free for b, but with separate
 * multiplications and additions the ports of shuffles are what is short, and a broadcasting load is better.
 */
function lane0(a: usize, as: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.shuffle<i32>(as, as, 0, 0, 0, 0)
  return v128.load32_splat(a)
}

function lane1(a: usize, as: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.shuffle<i32>(as, as, 1, 1, 1, 1)
  return v128.load32_splat(a, 4)
}

function lane2(a: usize, as: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.shuffle<i32>(as, as, 2, 2, 2, 2)
  return v128.load32_splat(a, 8)
}

function lane3(a: usize, as: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.shuffle<i32>(as, as, 3, 3, 3, 3)
  return v128.load32_splat(a, 12)
}

/**
 * c[4, 8] (+)= Σ a[k, 4] b[k, 8] over `depth` steps, both packed.
 *
 * @param c address of row 0; rows are `rowBytes` apart
 * @param add whether to add to what c holds or to overwrite it
 */
export function blockPacked(depth: i32, a: usize, b: usize, c: usize, rowBytes: usize, add: bool): void {
  if (add) blockPackedOf<Adding>(depth, a, b, c, rowBytes)
  else blockPackedOf<Overwriting>(depth, a, b, c, rowBytes)
}

function blockPackedOf<Ending>(depth: i32, a: usize, b: usize, c: usize, rowBytes: usize): void {
  let c00 = f32x4.splat(0)
  let c01 = c00
  let c10 = c00
  let c11 = c00
  let c20 = c00
  let c21 = c00
  let c30 = c00
  let c31 = c00
  const end = a + ((<usize>depth) << 4)
  while (a != end) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    const as = ASC_FEATURE_RELAXED_SIMD ? v128.load(a) : c00
    const a0 = lane0(a, as)
    c00 = madd(a0, b0, c00)
    c01 = madd(a0, b1, c01)
    const a1 = lane1(a, as)
    c10 = madd(a1, b0, c10)
    c11 = madd(a1, b1, c11)
    const a2 = lane2(a, as)
    c20 = madd(a2, b0, c20)
    c21 = madd(a2, b1, c21)
    const a3 = lane3(a, as)
    c30 = madd(a3, b0, c30)
    c31 = madd(a3, b1, c31)
    a += 16
    b += 32
  }
  if (isFloat<Ending>()) {
    addTo(c, c00, c01)
    addTo(c + rowBytes, c10, c11)
    addTo(c + 2 * rowBytes, c20, c21)
    addTo(c + 3 * rowBytes, c30, c31)
  } else {
    put(c, c00, c01)
    put(c + rowBytes, c10, c11)
    put(c + 2 * rowBytes, c20, c21)
    put(c + 3 * rowBytes, c30, c31)
  }
}

/**
 * As `blockPacked`, with a read where it lies: row r begins at a0 … a3, steps are `aStep` bytes apart. The eight
 * values of b for a step are consecutive, steps `bStep` bytes apart.
 */
export function blockStrided(
  depth: i32,
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  rowBytes: usize,
  add: bool,
): void {
  if (add) blockStridedOf<Adding>(depth, a0, a1, a2, a3, aStep, b, bStep, c, rowBytes)
  else blockStridedOf<Overwriting>(depth, a0, a1, a2, a3, aStep, b, bStep, c, rowBytes)
}

function blockStridedOf<Ending>(
  depth: i32,
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  rowBytes: usize,
): void {
  let c00 = f32x4.splat(0)
  let c01 = c00
  let c10 = c00
  let c11 = c00
  let c20 = c00
  let c21 = c00
  let c30 = c00
  let c31 = c00
  for (let left = depth; left != 0; left--) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    const x0 = v128.load32_splat(a0)
    c00 = madd(x0, b0, c00)
    c01 = madd(x0, b1, c01)
    const x1 = v128.load32_splat(a1)
    c10 = madd(x1, b0, c10)
    c11 = madd(x1, b1, c11)
    const x2 = v128.load32_splat(a2)
    c20 = madd(x2, b0, c20)
    c21 = madd(x2, b1, c21)
    const x3 = v128.load32_splat(a3)
    c30 = madd(x3, b0, c30)
    c31 = madd(x3, b1, c31)
    a0 += aStep
    a1 += aStep
    a2 += aStep
    a3 += aStep
    b += bStep
  }
  if (isFloat<Ending>()) {
    addTo(c, c00, c01)
    addTo(c + rowBytes, c10, c11)
    addTo(c + 2 * rowBytes, c20, c21)
    addTo(c + 3 * rowBytes, c30, c31)
  } else {
    put(c, c00, c01)
    put(c + rowBytes, c10, c11)
    put(c + 2 * rowBytes, c20, c21)
    put(c + 3 * rowBytes, c30, c31)
  }
}

function put(c: usize, low: v128, high: v128): void {
  v128.store(c, low)
  v128.store(c, high, 16)
}

function addTo(c: usize, low: v128, high: v128): void {
  v128.store(c, f32x4.add(v128.load(c), low))
  v128.store(c, f32x4.add(v128.load(c, 16), high), 16)
}

/** Adds a finished 4×8 block to c, whose rows are `rowBytes` apart. */
export function addBlock(block: usize, c: usize, rowBytes: usize): void {
  for (let row = 0; row < 4; row++) {
    addTo(c, v128.load(block), v128.load(block, 16))
    block += 32
    c += rowBytes
  }
}

/** Bytes of the block that an edge of the matrix is computed in. */
export const EDGE_BYTES: usize = 128

/** Moves rows × columns of a 4×8 block to c, whose rows and columns are `rowBytes` and `columnBytes` apart. */
export function storeEdge(
  edge: usize,
  c: usize,
  rowBytes: usize,
  columnBytes: usize,
  rows: i32,
  columns: i32,
  add: bool,
): void {
  for (let row = 0; row < rows; row++) {
    let to = c + <usize>row * rowBytes
    let from = edge + ((<usize>row) << 5)
    for (let column = 0; column < columns; column++) {
      const value = load<f32>(from)
      store<f32>(to, add ? load<f32>(to) + value : value)
      to += columnBytes
      from += 4
    }
  }
}

/** Moves a whole 4×8 block to a c whose rows lie side by side: eight columns of four, `columnBytes` apart. */
export function storeTransposed(edge: usize, c: usize, columnBytes: usize, add: bool): void {
  for (let half = 0; half < 2; half++) {
    const r0 = v128.load(edge)
    const r1 = v128.load(edge, 32)
    const r2 = v128.load(edge, 64)
    const r3 = v128.load(edge, 96)
    const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5)
    const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7)
    const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5)
    const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7)
    storeColumn(c, v128.shuffle<i64>(low01, low23, 0, 2), add)
    storeColumn(c + columnBytes, v128.shuffle<i64>(low01, low23, 1, 3), add)
    storeColumn(c + 2 * columnBytes, v128.shuffle<i64>(high01, high23, 0, 2), add)
    storeColumn(c + 3 * columnBytes, v128.shuffle<i64>(high01, high23, 1, 3), add)
    edge += 16
    c += 4 * columnBytes
  }
}

function storeColumn(c: usize, value: v128, add: bool): void {
  v128.store(c, add ? f32x4.add(v128.load(c), value) : value)
}

/** c[8] = Σ a[k] b[k, 8]: one row of a block, for products of a single row. Steps are `aStep` and `bStep` bytes apart. */
export function blockRow(depth: i32, a: usize, aStep: usize, b: usize, bStep: usize, c: usize): void {
  let low = f32x4.splat(0)
  let high = low
  for (let left = depth; left != 0; left--) {
    const x = v128.load32_splat(a)
    low = madd(x, v128.load(b), low)
    high = madd(x, v128.load(b, 16), high)
    a += aStep
    b += bStep
  }
  put(c, low, high)
}

/** c[32] (+)= Σ a[k] b[k, 32]: eight accumulators of one row, so that no addition waits for the one before. */
export function blockLongRow(depth: i32, a: usize, aStep: usize, b: usize, bStep: usize, c: usize, add: bool): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let s4 = s0
  let s5 = s0
  let s6 = s0
  let s7 = s0
  for (let left = depth; left != 0; left--) {
    const x = v128.load32_splat(a)
    s0 = madd(x, v128.load(b), s0)
    s1 = madd(x, v128.load(b, 16), s1)
    s2 = madd(x, v128.load(b, 32), s2)
    s3 = madd(x, v128.load(b, 48), s3)
    s4 = madd(x, v128.load(b, 64), s4)
    s5 = madd(x, v128.load(b, 80), s5)
    s6 = madd(x, v128.load(b, 96), s6)
    s7 = madd(x, v128.load(b, 112), s7)
    a += aStep
    b += bStep
  }
  if (add) {
    addTo(c, s0, s1)
    addTo(c + 32, s2, s3)
    addTo(c + 64, s4, s5)
    addTo(c + 96, s6, s7)
  } else {
    put(c, s0, s1)
    put(c + 32, s2, s3)
    put(c + 64, s4, s5)
    put(c + 96, s6, s7)
  }
}

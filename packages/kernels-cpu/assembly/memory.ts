/** Addresses, element types and the words of a descriptor. */

/** Word `index` of a descriptor: an address for the first words, then constants. */
export function wordAt(desc: usize, index: i32): i32 {
  return load<i32>(desc + ((<usize>index) << 2))
}

export function addressAt(desc: usize, index: i32): usize {
  return <usize>load<u32>(desc + ((<usize>index) << 2))
}

/** Codes of dtypes in plans (`dtypeCode` in src/routines/views.ts). */
export const F32: i32 = 0
export const F16: i32 = 1
export const BF16: i32 = 2
export const I32: i32 = 3
export const U32: i32 = 4
export const I8: i32 = 5
export const U8: i32 = 6

/** Floats are f32 (four bytes), f16 (u16) or bf16 (i16): these types select the loads of generic functions. */
export function floatShift(dtype: i32): i32 {
  return dtype == F32 ? 2 : 1
}

export function minI32(a: i32, b: i32): i32 {
  return a < b ? a : b
}

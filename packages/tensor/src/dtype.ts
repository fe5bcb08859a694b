/** Element types of tensors, in memory and in graphs. */

/** Every dtype of a tensor. f16 and bf16 are stored in two bytes and computed in f32. */
export type DType = 'f32' | 'f16' | 'bf16' | 'i32' | 'u32' | 'i8' | 'u8' | 'bool'

/** What a value is held as in a register of a fused step: narrow dtypes are widened on load. */
export type ScalarType = 'f32' | 'i32' | 'u32' | 'bool'

/** Every dtype once, floats first: for checks of user input and loops of tests. */
export const DTYPES: readonly DType[] = ['f32', 'f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool']

const BYTES: Record<DType, number> = { f32: 4, f16: 2, bf16: 2, i32: 4, u32: 4, i8: 1, u8: 1, bool: 1 }

/** Bytes of one element in memory. */
export function dtypeBytes(dtype: DType): number {
  return BYTES[dtype]
}

/** Whether a dtype is f32, f16 or bf16. */
export function isFloat(dtype: DType): boolean {
  return dtype === 'f32' || dtype === 'f16' || dtype === 'bf16'
}

/** Whether a dtype is i32, u32, i8 or u8; bool is neither integer nor float. */
export function isInteger(dtype: DType): boolean {
  return dtype === 'i32' || dtype === 'u32' || dtype === 'i8' || dtype === 'u8'
}

/** The register type that holds a dtype: floats in f32, i8 in i32, u8 in u32. */
export function scalarTypeOf(dtype: DType): ScalarType {
  switch (dtype) {
    case 'f32':
    case 'f16':
    case 'bf16':
      return 'f32'
    case 'i32':
    case 'i8':
      return 'i32'
    case 'u32':
    case 'u8':
      return 'u32'
    case 'bool':
      return 'bool'
  }
}

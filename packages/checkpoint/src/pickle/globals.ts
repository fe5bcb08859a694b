/** The names that a pickle of weights may use, and what they do here. Nothing is ever imported or looked up. */
import { isShape, layoutOf, elementCount, type PlainDType } from '../dtype.js'
import { PyDict, PyGlobal, PyStorage, PyTensor, PyTuple, type PyValue } from './values.js'

/** The element type of each storage class. */
const STORAGES: ReadonlyMap<string, PlainDType> = new Map([
  ['torch.DoubleStorage', 'F64'],
  ['torch.FloatStorage', 'F32'],
  ['torch.HalfStorage', 'F16'],
  ['torch.BFloat16Storage', 'BF16'],
  ['torch.LongStorage', 'I64'],
  ['torch.IntStorage', 'I32'],
  ['torch.ShortStorage', 'I16'],
  ['torch.CharStorage', 'I8'],
  ['torch.ByteStorage', 'U8'],
  ['torch.BoolStorage', 'BOOL'],
])

const DTYPES = 'float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool double float half long int short'

/** Turns the arguments of a call into its result; undefined when they do not fit. */
type Call = (args: readonly PyValue[]) => PyValue | undefined

const CALLS: ReadonlyMap<string, Call> = new Map<string, Call>([
  ['collections.OrderedDict', orderedDict],
  ['torch._utils._rebuild_tensor', ([storage, offset, shape, strides]) => rebuild(storage, offset, shape, strides)],
  ['torch._utils._rebuild_tensor_v2', ([storage, offset, shape, strides]) => rebuild(storage, offset, shape, strides)],
  ['torch._utils._rebuild_parameter', ([data]) => (data instanceof PyTensor ? data : undefined)],
  ['torch.Size', ([sizes]) => (sizes instanceof PyTuple || Array.isArray(sizes) ? sizes : undefined)],
])

const ALLOWED: ReadonlySet<string> = new Set([
  ...CALLS.keys(),
  ...STORAGES.keys(),
  ...DTYPES.split(' ').map((name) => `torch.${name}`),
])

/** Whether mode `weights` takes a name. The parts are compared, so dots inside them cannot walk anywhere. */
export function isAllowed({ module, member }: PyGlobal): boolean {
  return !member.includes('.') && ALLOWED.has(`${module}.${member}`)
}

/** The result of calling an allowed name; undefined when it is no function or the arguments do not fit. */
export function callGlobal(global: PyGlobal, args: readonly PyValue[]): PyValue | undefined {
  return CALLS.get(global.path)?.(args)
}

/** Made empty, or from pairs in one list. */
function orderedDict([pairs, ...more]: readonly PyValue[]): PyDict | undefined {
  const dict = new PyDict()
  if (pairs === undefined) return dict
  if (!Array.isArray(pairs) || more.length > 0) return undefined
  for (const pair of pairs) {
    const items = pair instanceof PyTuple ? pair.items : pair
    if (!Array.isArray(items) || items.length !== 2) return undefined
    dict.entries.push([items[0], items[1]])
  }
  return dict
}

/** `('storage', Class, key, location, numel)`, as persistent ids are written; undefined when it is something else. */
export function storageOf(id: PyValue): PyStorage | undefined {
  if (!(id instanceof PyTuple)) return undefined
  const [kind, type, key, , elements] = id.items
  if (kind !== 'storage' || !(type instanceof PyGlobal) || typeof key !== 'string') return undefined
  const dtype = STORAGES.get(type.path)
  if (dtype === undefined || !Number.isSafeInteger(elements) || (elements as number) < 0) return undefined
  return new PyStorage(dtype, key, elements as number)
}

/** An expanded view may name more elements than its storage holds; this many bytes are believed all the same. */
const MOST_EXPANDED_BYTES = 64 * 2 ** 20

/** Checks that no element lies outside the storage. */
function rebuild(storage: PyValue, offset: PyValue, size: PyValue, stride: PyValue): PyTensor | undefined {
  if (!(storage instanceof PyStorage)) return undefined
  const shape = sizesOf(size)
  const strides = sizesOf(stride)
  const isPlace = Number.isSafeInteger(offset) && (offset as number) >= 0
  if (shape === undefined || strides === undefined || !isPlace || shape.length !== strides.length) return undefined
  const tensor = new PyTensor(storage, offset as number, shape, strides)
  return fitsStorage(tensor) ? tensor : undefined
}

function fitsStorage({ storage, offset, shape, strides }: PyTensor): boolean {
  const elements = elementCount(shape)
  if (elements === 0) return offset <= storage.elements
  const last = shape.reduce((place, extent, axis) => place + (extent - 1) * strides[axis], offset)
  const { blockBytes } = layoutOf(storage.dtype)
  const most = Math.max(storage.elements * blockBytes, MOST_EXPANDED_BYTES)
  return Number.isSafeInteger(last) && last < storage.elements && elements * blockBytes <= most
}

const MOST_AXES = 64

function sizesOf(value: PyValue): number[] | undefined {
  const items = value instanceof PyTuple ? [...value.items] : value
  return isShape(items) && items.length <= MOST_AXES ? items : undefined
}

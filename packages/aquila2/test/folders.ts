/** Model folders in memory. */
import { type TensorToWrite, encodeSafetensors, fromFloat32, memoryFolder, type Folder } from '@tarazed/checkpoint'
import { parameters } from '@tarazed/nn'
import { type Aquila2, type Aquila2Config } from '../src/index.js'

/** What a folder is made of; `tensors` may change, drop (undefined) or add tensors. */
export interface FolderParts {
  readonly name?: string
  readonly config?: Aquila2Config | Record<string, unknown> | string | null
  readonly dtype?: 'F32' | 'F16' | 'BF16'
  readonly tensors?: Readonly<Record<string, { shape: readonly number[]; dtype?: 'F32' | 'BF16' } | undefined>>
  readonly files?: Readonly<Record<string, string>>
}

/** The model as model.safetensors and config.json. */
export async function folderOf(model: Aquila2, parts: FolderParts = {}): Promise<Folder> {
  const { name = 'my-model', config = model.config, dtype = 'F32', tensors = {}, files = {} } = parts
  const own = Object.entries(parameters(model)).filter(([key]) => !(key in tensors))
  const written: TensorToWrite[] = await Promise.all(
    own.map(async ([key, value]) => {
      const data = (await value.data()) as Float32Array
      return { name: key, dtype, shape: value.shape, bytes: () => fromFloat32(data, dtype) }
    }),
  )
  for (const [key, change] of Object.entries(tensors)) {
    if (change === undefined) continue
    const { shape, dtype: changed = dtype } = change
    const numbers = new Float32Array(shape.reduce((product, extent) => product * extent, 1)).fill(0.5)
    written.push({ name: key, dtype: changed, shape: [...shape], bytes: () => fromFloat32(numbers, changed) })
  }
  const json = typeof config === 'string' ? config : JSON.stringify(config)
  return memoryFolder(name, {
    'model.safetensors': await encodeSafetensors(written),
    ...(config !== null && { 'config.json': json }),
    ...files,
  })
}

/** Collects what a loader warns of. */
export function collector(): { readonly warnings: string[]; readonly onWarning: (message: string) => void } {
  const warnings: string[] = []
  return { warnings, onWarning: (message) => void warnings.push(message) }
}

/** A folder of files behind an address. */
import { checkOptions, checkText } from '../arguments.js'
import { checkFileName, decodeText, missingFile, type Folder } from '../folder.js'
import { httpSource, type HttpSourceOptions } from './httpSource.js'
import { refused, request } from './request.js'

/** Options of {@link httpFolder}. */
export interface HttpFolderOptions extends HttpSourceOptions {
  /** The files of the folder. Without it the usual names are asked for one by one, since HTTP lists nothing. */
  readonly files?: readonly string[]
}

const USUAL_FILES = [
  'config.json',
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  'model.gguf',
]

/** Files at `baseUrl` + `/` + name. */
export function httpFolder(baseUrl: string, options: HttpFolderOptions = {}): Folder {
  checkText('httpFolder: baseUrl', baseUrl)
  checkOptions('httpFolder', options, ['fetch', 'headers', 'tries', 'signal', 'maxWholeBytes', 'files'])
  const { files, ...http } = options
  const base = baseUrl.replace(/\/+$/, '')
  const urlOf = (file: string) => `${base}/${checkFileName(base, file).split('/').map(encodeURIComponent).join('/')}`
  const exists = async (file: string) => {
    const response = await request(urlOf(file), { method: 'HEAD' }, http)
    await response.body?.cancel()
    return response.ok
  }
  return {
    name: base,
    async list() {
      if (files !== undefined) return [...files].sort()
      const found = await Promise.all(USUAL_FILES.map(exists))
      return USUAL_FILES.filter((_, k) => found[k]).sort()
    },
    async open(file) {
      if (files !== undefined && !files.includes(file)) throw missingFile(base, file)
      return httpSource(urlOf(file), http)
    },
    async readText(file) {
      const url = urlOf(file)
      const response = await request(url, {}, http)
      if (response.ok) return decodeText(url, new Uint8Array(await response.arrayBuffer()))
      await response.body?.cancel()
      if (response.status === 404 || response.status === 410) return undefined
      throw refused(url, response)
    },
  }
}

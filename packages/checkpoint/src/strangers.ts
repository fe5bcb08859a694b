/** Recognises files that are not what their name says, so that the message can say what they are. */

const LFS = 'version https://git-lfs'

/** What a file is by its first bytes, as a way out for messages; undefined when nothing is recognised. */
export function recogniseStranger(start: Uint8Array): string | undefined {
  const text = String.fromCharCode(...start.subarray(0, 64))
  if (text.startsWith(LFS)) return 'it is a Git LFS pointer, not the file itself: run "git lfs pull" or download it'
  if (/^\s*<(!doctype|html|\?xml)/i.test(text))
    return 'it is a web page, such as an error or a login: download the file again'
  if (text.startsWith('GGUF')) return 'it is a GGUF file: name it *.gguf'
  if (text.startsWith('PK\x03\x04')) return 'it is a zip archive, as PyTorch writes: name it *.bin'
  if (/^.{8}\{"/s.test(text)) return 'it is a safetensors file: name it *.safetensors'
  return undefined
}

/** A byte-level tokenizer of a few hundred tokens, from files written here. */
import { type Tokenizer, loadTokenizer } from '@tarazed/tokenizer'

const MERGES = ['h e', 'l l', 'he ll', 'hell o', 'Ġ w', 'o r', 'Ġw or', 'l d', '# #', '## #']
const SPECIALS = ['<|startofpiece|>', '<|endofpiece|>', '[CLS]', '</s>']

/** Ids: 0 `<|endoftext|>`, 1–256 the bytes, then one for each merge, then the special tokens. */
export async function smallTokenizer(): Promise<Tokenizer> {
  const tokens = ['<|endoftext|>', ...byteTokens(), ...MERGES.map((merge) => merge.replace(' ', '')), ...SPECIALS]
  const special = (content: string) => ({ id: tokens.indexOf(content), content, special: true, normalized: false })
  const tokenizer = {
    added_tokens: ['<|endoftext|>', ...SPECIALS].map(special),
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: MERGES,
    },
  }
  const files: Readonly<Record<string, string>> = {
    'tokenizer.json': JSON.stringify(tokenizer),
    'special_tokens_map.json': JSON.stringify({ bos_token: '[CLS]', eos_token: '</s>' }),
  }
  return await loadTokenizer({ readText: (name) => Promise.resolve(files[name]) })
}

/** How GPT-2 spells the bytes 0 to 255, those that are printable first. */
function byteTokens(): string[] {
  const isPrintable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  const bytes = Array.from({ length: 256 }, (_, byte) => byte)
  const printable = bytes.filter(isPrintable).map((byte) => String.fromCodePoint(byte))
  return [...printable, ...Array.from({ length: 256 - printable.length }, (_, k) => String.fromCodePoint(256 + k))]
}

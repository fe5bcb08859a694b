/** Family `chat`: the five templates as strings, spans, ids and labels, exactly, with the tokenizer of the case `tokenizer`. */
import {
  AQUILA_SYSTEM,
  aquilaTemplates,
  type AquilaTemplateName,
  chatLabels,
  type ChatMessage,
  chatPrompt,
  renderChat,
  templateFor,
} from '@tarazed/lm'
import { loadTokenizer, type Tokenizer } from '@tarazed/tokenizer'
import { type Area } from '../../areas.js'
import { type AreaFiles } from '../../areaFiles.js'
import { type CaseContext, type GoldenCase } from '../../case.js'
import { IndexError, listOf } from '../../stored.js'
import { familyFolders, recordOf } from './familyFolders.js'

/** A case for each conversation, and one for each table of the index. */
export function cases(_area: Area, files: AreaFiles): GoldenCase[] {
  return familyFolders(files, 'chat').flatMap((folder) => {
    const file = `${folder}/expected.json`
    const index = recordOf(files.json(file), 'expected.json')
    const tokenizer = onlyOnce(() => tokenizerOf(files))
    const conversations = listOf(index, 'cases').map((entry, number) => ({
      id: `${number} ${String(entry.template)}`,
      run: () => runConversation(entry, tokenizer),
    }))
    return [...tableCases(index), ...conversations].map(({ id, run }) => ({
      id,
      op: folder,
      sources: [{ file }],
      run: async (_context: CaseContext) => run(),
    }))
  })
}

interface Check {
  readonly id: string
  run(): string | null | Promise<string | null>
}

function onlyOnce<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null
  return () => (made ??= { value: make() }).value
}

function tokenizerOf(files: AreaFiles): Promise<Tokenizer> {
  const known = new Set(files.list())
  return loadTokenizer({
    readText: (name) => Promise.resolve(known.has(`tokenizer/${name}`) ? files.text(`tokenizer/${name}`) : undefined),
  })
}

const KNOWN_PARTS = ['system', 'stops', 'template_of_model', 'template_of_string', 'rules', 'cases']

function tableCases(index: Record<string, unknown>): Check[] {
  const unknown = Object.keys(index).filter((part) => !KNOWN_PARTS.includes(part))
  const stops = recordOf(index.stops, 'stops')
  const names = Object.keys(stops)
  return [
    { id: 'parts', run: () => (unknown.length === 0 ? null : `the runner does not know ${unknown.join(', ')}`) },
    { id: 'system', run: () => same('system', AQUILA_SYSTEM, index.system) },
    { id: 'names', run: () => same('templates', Object.keys(aquilaTemplates).sort(), [...names].sort()) },
    ...names.map((name) => ({
      id: `stops ${name}`,
      run: () => same('stops', aquilaTemplates[name as AquilaTemplateName]?.stops, stops[name]),
    })),
    ...namedBy(index, 'template_of_model', 'model'),
    ...namedBy(index, 'template_of_string', 'string'),
  ]
}

function namedBy(index: Record<string, unknown>, table: string, rule: 'model' | 'string'): Check[] {
  return Object.entries(recordOf(index[table], table)).map(([name, want]) => ({
    id: `${table} ${name}`,
    run: () => same('template', templateFor(name, { rule }).name, want),
  }))
}

/** What the reference's script would do is told for information. */
const FIELDS = ['template', 'turns', 'text', 'loss_spans_utf16', 'loss_text', 'ids', 'labels', 'reference_script']

async function runConversation(
  entry: Record<string, unknown>,
  tokenizer: () => Promise<Tokenizer>,
): Promise<string | null> {
  const unknown = Object.keys(entry).filter((field) => !FIELDS.includes(field))
  if (unknown.length > 0) throw new IndexError(`the runner does not know the fields ${unknown.join(', ')}`)
  const name = entry.template as AquilaTemplateName
  const messages = (entry.turns as string[]).map((content, turn): ChatMessage => ({
    role: turn % 2 === 0 ? 'user' : 'assistant',
    content,
  }))
  const { text, spans, answers } = renderChat(name, messages)
  const rendered =
    same('text', text, entry.text) ?? same('joined spans', spans.map((span) => span.text).join(''), entry.text)
  if (rendered !== null) return rendered
  if (messages.length % 2 === 1) {
    const { ids } = chatPrompt(await tokenizer(), name, messages)
    return same('ids of the prompt', ids, (await tokenizer()).encode(`${text} `))
  }
  const ranges = (answers ?? []).map(({ start, end }) => [start, end])
  const { ids, labels } = chatLabels(await tokenizer(), name, messages)
  return (
    same('loss_spans_utf16', ranges, entry.loss_spans_utf16) ??
    same(
      'loss_text',
      ranges.map(([start, end]) => text.slice(start, end)),
      entry.loss_text,
    ) ??
    same('ids', ids, entry.ids) ??
    same('labels', labels, entry.labels)
  )
}

function same(what: string, got: unknown, want: unknown): string | null {
  const [g, w] = [JSON.stringify(got), JSON.stringify(want)]
  return g === w ? null : `${what}: got ${g}, want ${w}`
}

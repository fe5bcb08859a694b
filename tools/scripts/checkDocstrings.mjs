// npm run check:docstrings: every export of every package's entries has a docstring.
import { relative } from 'node:path'
import ts from 'typescript'
import { publishedPackages, root } from '../packcheck/packages.mjs'

const entries = publishedPackages().flatMap(({ folder, manifest }) =>
  Object.values(manifest.exports)
    .map((target) => target['@tarazed/source'])
    .filter((source) => source !== undefined)
    .map((source) => ts.sys.resolvePath(`${folder}/${source}`)),
)
const { config } = ts.readConfigFile(`${root}/tsconfig.base.json`, ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent({ ...config, files: entries }, ts.sys, root)
const program = ts.createProgram(entries, options)
const checker = program.getTypeChecker()

const missing = new Set(entries.flatMap((entry) => undocumented(program.getSourceFile(entry))))
for (const line of [...missing].sort()) console.log(line)
if (missing.size > 0) {
  console.log(`${missing.size} exports have no docstring`)
  process.exitCode = 1
}

/** @returns {string[]} `file:line name` of each export of a module that has no docstring */
function undocumented(node) {
  const module = node && checker.getSymbolAtLocation(node)
  if (module === undefined) return []
  return checker.getExportsOfModule(module).flatMap((exported) => {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
    const [declaration] = symbol.declarations ?? []
    if (declaration === undefined || declaration.getSourceFile().fileName.includes('/node_modules/')) return []
    if (ts.isSourceFile(declaration)) return undocumented(declaration) // export * as name
    if (symbol.getDocumentationComment(checker).length > 0 || symbol.getJsDocTags(checker).length > 0) return []
    const file = declaration.getSourceFile()
    const { line } = file.getLineAndCharacterOfPosition(declaration.getStart())
    return [`${relative(root, file.fileName)}:${line + 1} ${exported.name}`]
  })
}

import type { EngineOptions, Measurements } from '../../bench.js'
import { measureLmGeneration } from './lmGeneration.js'
import { measureLmTraining } from './lmTraining.js'

export async function measureLm(options: EngineOptions): Promise<Measurements> {
  return { ...(await measureLmTraining(options)), ...(await measureLmGeneration(options)) }
}

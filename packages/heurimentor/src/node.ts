/** Runs on a disk: checkpoints that survive any crash, the run log. For Node. */
export {
  diskCheckpoints,
  readCheckpoint,
  type DiskCheckpoints,
  type DiskCheckpointsOptions,
} from './node/diskCheckpoints.js'
export { openRunLog, readRunLog, type RunLog } from './node/runLog.js'

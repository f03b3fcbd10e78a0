/** What `kaio bench` is made of. */
export { type CommitRow, commitCaseTitle, commitLines, runCommits } from './commits.ts';
export { busyTitle } from './busy.ts';
export { messageOf } from './errors.ts';
export {
  caseTitle,
  ENGINE_TITLES,
  ENGINES,
  type EngineName,
  FLOOR,
  MODES,
  type Mode,
  TRANSFERS,
  type Transfer,
} from './job.ts';
export { machineLines } from './machine.ts';
export { reportPage } from './page.ts';
export { type Choice, makePlan, type Plan, PRESETS, type PresetName } from './plan.ts';
export type { BenchReport, Failure, Row } from './report.ts';
export { readReport } from './report-file.ts';
export { runBench } from './run.ts';
export { failureLine, tableLines } from './table.ts';
export {
  runEmulationTargets,
  runTargets,
  TARGET_CHOICE,
  type TargetsReport,
  targetLines,
} from './targets.ts';
export { taskReport } from './tasks.ts';

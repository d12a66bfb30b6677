import { guardOutput } from '../../tlog/closedOutput';
import { EXIT, runVerifyLog } from './runVerifyLog';

guardOutput(EXIT.UNKNOWN);
void runVerifyLog(process.argv.slice(2), process).then((code) => {
  process.exitCode = code;
});

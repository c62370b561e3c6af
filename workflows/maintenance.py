"""One due time of a system schedule: do the work, whatever dies over it."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from windlass.contracts import maintenance as words
    from windlass.contracts import policies
    from windlass.contracts.firings import DUE_LENGTH
    from windlass.contracts.maintenance import MaintainInput, MaintenanceInput, MaintenanceOutcome


@workflow.defn(name=words.WORKFLOW)
class MaintenanceWorkflow:
    """Have one piece of the installation's own work done; its report is a row, its id ends with the due time."""

    @workflow.run
    async def run(self, request: MaintenanceInput) -> MaintenanceOutcome:
        """Do it and answer what was done."""
        due = workflow.info().workflow_id[-DUE_LENGTH:]
        outcome = await workflow.execute_activity(
            words.MAINTAIN,
            MaintainInput(request.name, due),
            result_type=MaintenanceOutcome,
            schedule_to_close_timeout=policies.MAINTAIN,
            heartbeat_timeout=policies.MAINTAIN_HEARTBEAT,
            retry_policy=policies.MAINTAIN_RETRY,
            summary=request.name,
        )
        done = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(outcome.counts.items()))
        workflow.set_current_details(done or "nothing was to do")
        return outcome

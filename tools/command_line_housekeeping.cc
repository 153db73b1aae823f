// The subcommands that keep a store in order: recovery, sweeps, compensations, events.

#include <cstdint>
#include <memory>
#include <string>

#include "batonstore/store/event_log.h"
#include "batonstore/tools/command_line_parts.h"
#include "batonstore/tools/commands.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

void AddRecover(CLI::App& app, Action& action) {
  CLI::App& command =
      *AddCommand(app, "recover", "Open a store after a crash and tell what was found and removed",
                  R"(Every reservation that an earlier owner left is removed; what it was about to
register elsewhere (its intent) is shown, so that it can be undone. Opening a
store does the same. Refused with NOT_OWNER while a service has it open.

Example:
  batonstore recover --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  command.callback([&action, common] {
    action = [common] { return Print(Recover(common->Resolved()), common->json); };
  });
}

void AddSweep(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "sweep", "Tidy up what has fallen due, until nothing is left; shows how much it was",
      R"(Sessions that have run out are noted as expired, those that a revoke-all covers are
shredded, reservations past their deadline and ended sessions past their retention are
removed, events that all consumers have acknowledged are dropped (trimmed). A store that
is served does this by itself.

Becomes the store's owner for it: refused with NOT_OWNER while a service has it open.

Example:
  batonstore sweep --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  AddRetention(command, common);
  command.callback([&action, common] {
    action = [common] { return Print(SweepStore(common->Resolved()), common->json); };
  });
}

void AddCompensations(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "compensations", "List what is to be undone outside, or note that it has been",
      R"(A reservation that was taken away by recovery, its deadline or a revoke-all leaves its
intent here, until somebody has undone it and says so. Listing reads while an owner serves;
--acknowledge becomes the owner and is refused with NOT_OWNER while a service has the store
open. "next" is where to go on when a limit left some out.

Examples:
  batonstore compensations --dir /var/lib/service/sessions
  batonstore compensations --acknowledge 0ca1e29d5c000000 --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  auto limit = std::make_shared<std::optional<uint64_t>>();
  CLI::Option* const most =
      command.add_option("--limit", *limit, "At most so many; all by default")
          ->check(CLI::PositiveNumber)
          ->type_name("N");
  const GivenText after = AddText(command, "--after", "Only those of sessions created after this");
  const GivenText done = AddText(command, "--acknowledge", "This session's has been undone");
  after.option->type_name("ALIAS");
  done.option->type_name("ALIAS")->excludes(most)->excludes(after.option);
  command.callback([&action, common, limit, from = after.value, acknowledge = done.value] {
    action = [=] {
      const StoreLocation location = common->Resolved();
      return Print(acknowledge->has_value() ? AcknowledgePending(location, **acknowledge)
                                            : ListPending(location, *limit, *from),
                   common->json);
    };
  });
}

// At most one of these, with a consumer.
void AddEventActions(CLI::App& command, const std::shared_ptr<EventsRequest>& request,
                     CLI::Option& consumer) {
  using What = EventsRequest::What;
  CLI::Option* const limit =
      command.add_option("--limit", request->limit, "Show at most so many events")
          ->check(CLI::Range(uint64_t{1}, uint64_t{kMaxEventsRead}))
          ->type_name("N")
          ->capture_default_str();
  CLI::Option* const acknowledge =
      AddParsed(command, "--acknowledge", "It is done with the events up to this sequence number",
                ParseNumber64, [request](uint64_t sequence) {
                  request->what = What::kAcknowledge;
                  request->sequence = sequence;
                });
  acknowledge->type_name("SEQUENCE");
  CLI::Option* const add = command.add_flag_callback(
      "--add", [request] { request->what = What::kAdd; }, "Keep events for it from here on");
  CLI::Option* const remove = command.add_flag_callback(
      "--remove", [request] { request->what = What::kRemove; }, "Keep none for it any more");
  for (CLI::Option* const option : {limit, acknowledge, add, remove}) option->needs(&consumer);
  acknowledge->excludes(limit)->excludes(add)->excludes(remove);
  add->excludes(limit)->excludes(remove);
  remove->excludes(limit);
}

void AddEvents(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "events", "List who follows a store's events, or read them as one who does",
      R"(Without a consumer, lists all with how far each has acknowledged. With one, shows the
oldest events that it has not acknowledged; reading moves nothing. Events are kept from when
a consumer is added, until all consumers have acknowledged them.

Becomes the store's owner, for reading too: refused with NOT_OWNER while a service has it
open (stats counts events and consumers all the same). Opening recovers the store, and its
events tell of that.

Examples:
  batonstore events --dir /var/lib/service/sessions
  batonstore events --consumer mailer --add --dir /var/lib/service/sessions
  batonstore events --consumer mailer --limit 10 --json --dir /var/lib/service/sessions
  batonstore events --consumer mailer --acknowledge 17 --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  auto request = std::make_shared<EventsRequest>();
  const GivenText consumer = AddText(command, "--consumer", "The name of one who follows");
  consumer.option->type_name("NAME");
  AddEventActions(command, request, *consumer.option);
  command.callback([&action, common, request, name = consumer.value] {
    request->consumer = *name;
    action = [=] { return Print(Events(common->Resolved(), *request), common->json); };
  });
}

}  // namespace

void AddHousekeepingCommands(CLI::App& app, Action& action) {
  AddRecover(app, action);
  AddSweep(app, action);
  AddCompensations(app, action);
  AddEvents(app, action);
}

}  // namespace batonstore::tools

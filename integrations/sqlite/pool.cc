#include "batonstore/integrations/sqlite/pool.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "batonstore/base/clock.h"
#include "batonstore/base/mutex.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"
#include "batonstore/integrations/sqlite/handle.h"
#include "batonstore/integrations/sqlite/timeout.h"

namespace batonstore {
namespace {

// A pool that was just opened has waited for locks no longer than this.
constexpr absl::Duration kOpenLimit = absl::Seconds(30);

// std::condition_variable overflows on far moments.
constexpr absl::Duration kLongestWait = absl::Hours(1);

absl::Status Check(const SqlitePoolOptions& options) {
  if (options.path.empty() || options.path == ":memory:") {
    return Refuse(Verdict::kInvalid, "path: each connection would have a database of its own");
  }
  if (options.path.find('\0') != std::string::npos) {
    return Refuse(Verdict::kInvalid, "path: a zero byte");
  }
  if (options.max_connections < 1) {
    return Refuse(Verdict::kInvalid, "max_connections: give at least 1");
  }
  if (options.busy_timeout < absl::ZeroDuration()) {
    return Refuse(Verdict::kInvalid, "busy_timeout: negative");
  }
  return absl::OkStatus();
}

}  // namespace

// Shared with the connections that are out, which know it weakly: they may outlive the pool.
struct SqlitePool::State : std::enable_shared_from_this<State> {
  State(std::shared_ptr<const SqliteHandle::Options> handle_options, int max_connections)
      : options(std::move(handle_options)), limit(max_connections), process(getpid()) {}

  // Takes an idle one, or a place for a new one (null), or waits for either.
  absl::StatusOr<std::shared_ptr<SqliteHandle>> TakeIdleOrPlace(const Timeout& timeout) {
    const MutexLock lock(mu);
    while (idle.empty() && places_taken >= limit) {
      if (timeout.Passed()) {
        return Refuse(Verdict::kTooMany, "every connection of the pool is in use");
      }
      changed.WaitFor(mu, std::min(timeout.Remaining(), kLongestWait));
    }
    if (idle.empty()) {
      // Room for all to come back, so that GiveBack needs no memory.
      const size_t places = static_cast<size_t>(places_taken) + 1;
      if (idle.capacity() < places) idle.reserve(2 * places);
      ++places_taken;
      return std::shared_ptr<SqliteHandle>();
    }
    std::shared_ptr<SqliteHandle> handle = std::move(idle.back());
    idle.pop_back();
    return handle;
  }

  absl::StatusOr<std::shared_ptr<SqliteHandle>> Take(const Timeout& timeout) {
    std::function<void()> give_up = [weak = weak_from_this()] {
      if (const std::shared_ptr<State> state = weak.lock(); state != nullptr) state->FreePlace();
    };
    BATONSTORE_ASSIGN_OR_RETURN(std::shared_ptr<SqliteHandle> taken, TakeIdleOrPlace(timeout));
    if (taken != nullptr) return taken;
    return SqliteHandle::Open(options, SqlitePlace(std::move(give_up)), timeout);
  }

  void FreePlace() {
    const MutexLock lock(mu);
    --places_taken;
    changed.Signal();
  }

  void GiveBack(std::shared_ptr<SqliteHandle> handle) noexcept {
    const MutexLock lock(mu);
    idle.push_back(std::move(handle));
    changed.Signal();
  }

  const std::shared_ptr<const SqliteHandle::Options> options;
  const int limit;
  const pid_t process;

  mutable Mutex mu;
  CondVar changed;
  int places_taken ABSL_GUARDED_BY(mu) = 0;
  // The last one used is the first one taken: its pages are in its cache. None is ever destroyed
  // under the lock, because that gives up its place.
  std::vector<std::shared_ptr<SqliteHandle>> idle ABSL_GUARDED_BY(mu);
};

absl::StatusOr<std::unique_ptr<SqlitePool>> SqlitePool::Open(const SqlitePoolOptions& options) {
  BATONSTORE_RETURN_IF_ERROR(Check(options));
  // Absolute: means the same file after a chdir, and is never taken for a URI.
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(options.path, error);
  if (error) return SystemError(error.value(), "getcwd");
  const auto now = options.now ? options.now : [] { return SystemClock().Wall(); };
  auto state =
      std::make_shared<State>(std::make_shared<const SqliteHandle::Options>(SqliteHandle::Options{
                                  .path = path.string(),
                                  .create_if_missing = options.create_if_missing,
                                  .busy_timeout = options.busy_timeout,
                                  .setup = options.setup,
                                  .now = now}),
                              options.max_connections);
  BATONSTORE_ASSIGN_OR_RETURN(std::shared_ptr<SqliteHandle> first,
                              state->Take(Timeout(std::min(options.busy_timeout, kOpenLimit))));
  state->GiveBack(std::move(first));
  return std::unique_ptr<SqlitePool>(new SqlitePool(std::move(state)));
}

SqlitePool::SqlitePool(std::shared_ptr<State> state) : state_(std::move(state)) {}

SqlitePool::~SqlitePool() = default;

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqlitePool::Acquire(bool read_only,
                                                                      absl::Time deadline) {
  if (getpid() != state_->process) {
    return Refuse(Verdict::kClosed, "this pool belongs to the parent process: open another one");
  }
  const Timeout timeout(deadline - state_->options->now());
  BATONSTORE_ASSIGN_OR_RETURN(std::shared_ptr<SqliteHandle> handle, state_->Take(timeout));
  BATONSTORE_RETURN_IF_ERROR(handle->SetReadOnly(read_only));
  return std::unique_ptr<SqliteConnection>(new SqliteConnection(
      std::move(handle), [weak = state_->weak_from_this()](std::shared_ptr<SqliteHandle> returned) {
        const std::shared_ptr<State> state = weak.lock();
        if (state != nullptr) state->GiveBack(std::move(returned));
      }));
}

SqlitePool::Usage SqlitePool::usage() const {
  const MutexLock lock(state_->mu);
  const int idle = static_cast<int>(state_->idle.size());
  return {.in_use = state_->places_taken - idle, .idle = idle};
}

}  // namespace batonstore

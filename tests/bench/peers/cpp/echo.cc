// The contract of tests/bench on gRPC C++: asynchronous (one thread, 64 calls of each method posted
// and used again, as tuned servers do) and with callbacks (as its documentation writes servers).
//
//   echo async|callback PORT [CERTIFICATE KEY]
//   echo client PORT IN_FLIGHT SECONDS
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "bench/v1/echo.grpc.pb.h"

using bench::v1::Amount;
using bench::v1::Echo;
using bench::v1::Empty;
using bench::v1::Order;
using bench::v1::Payload;
using grpc::Status;

namespace {

constexpr int kPosted = 64;

std::string contents(const char *path)
{
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<grpc::ServerCredentials> credentials(char **tls)
{
    if (tls[0] == nullptr || tls[1] == nullptr)
        return grpc::InsecureServerCredentials();
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({contents(tls[1]), contents(tls[0])});
    return grpc::SslServerCredentials(options);
}

std::string body_of(const Amount &amount)
{
    return std::string(amount.messages() == 0 ? 0 : amount.bytes() / amount.messages(), '\0');
}

void count(Amount *amount, const Payload &payload)
{
    amount->set_messages(amount->messages() + 1);
    amount->set_bytes(amount->bytes() + payload.body().size());
}

// --- asynchronous -------------------------------------------------------------------------------

struct Async {
    Echo::AsyncService service;
    std::unique_ptr<grpc::ServerCompletionQueue> queue;
};

struct Call {
    virtual ~Call() = default;
    virtual void proceed(bool ok) = 0;
};

enum class Step {
    kOpen,
    kRead,
    kWrite,
    kEnd
};

// A call that is posted again when it has ended. Derived has request(), which posts it, and
// go_on(ok), which starts what comes next, and with the step kEnd the last of it.
template <class Derived, class Stream> struct PostedCall : Call {
    explicit PostedCall(Async &async) : async(async)
    {
    }

    void post()
    {
        step = Step::kOpen;
        stream.reset();
        context.emplace();
        stream.emplace(&*context);
        static_cast<Derived *>(this)->request();
    }

    void proceed(bool ok) final
    {
        if (step == Step::kEnd)
            post();
        else
            static_cast<Derived *>(this)->go_on(ok);
    }

    Async &async;
    std::optional<grpc::ServerContext> context;
    std::optional<Stream> stream;
    Step step = Step::kOpen;
};

template <class Message>
struct UnaryCall final : PostedCall<UnaryCall<Message>, grpc::ServerAsyncResponseWriter<Message>> {
    using Accept = void (Echo::AsyncService::*)(grpc::ServerContext *, Message *,
                                                grpc::ServerAsyncResponseWriter<Message> *,
                                                grpc::CompletionQueue *,
                                                grpc::ServerCompletionQueue *, void *);

    UnaryCall(Async &async, Accept accept) : UnaryCall::PostedCall(async), accept(accept)
    {
        this->post();
    }

    void request()
    {
        auto *queue = this->async.queue.get();
        (this->async.service.*accept)(&*this->context, &message, &*this->stream, queue, queue,
                                      this);
    }

    void go_on(bool)
    {
        this->step = Step::kEnd;
        this->stream->Finish(message, Status::OK, this);
    }

    Accept accept;
    Message message;
};

struct ChatCall final : PostedCall<ChatCall, grpc::ServerAsyncReaderWriter<Payload, Payload>> {
    explicit ChatCall(Async &async) : PostedCall(async)
    {
        post();
    }

    void request()
    {
        async.service.RequestChat(&*context, &*stream, async.queue.get(), async.queue.get(), this);
    }

    void go_on(bool ok)
    {
        if (!ok) {
            step = Step::kEnd;
            stream->Finish(Status::OK, this);
        } else if (step == Step::kRead) {
            step = Step::kWrite;
            stream->Write(payload, this);
        } else {
            step = Step::kRead;
            stream->Read(&payload, this);
        }
    }

    Payload payload;
};

struct UploadCall final : PostedCall<UploadCall, grpc::ServerAsyncReader<Amount, Payload>> {
    explicit UploadCall(Async &async) : PostedCall(async)
    {
        post();
    }

    void request()
    {
        amount.Clear();
        async.service.RequestUpload(&*context, &*stream, async.queue.get(), async.queue.get(),
                                    this);
    }

    void go_on(bool ok)
    {
        if (!ok) {
            step = Step::kEnd;
            stream->Finish(amount, Status::OK, this);
            return;
        }
        if (step == Step::kRead)
            count(&amount, payload);
        step = Step::kRead;
        stream->Read(&payload, this);
    }

    Payload payload;
    Amount amount;
};

struct DownloadCall final : PostedCall<DownloadCall, grpc::ServerAsyncWriter<Payload>> {
    explicit DownloadCall(Async &async) : PostedCall(async)
    {
        post();
    }

    void request()
    {
        async.service.RequestDownload(&*context, &amount, &*stream, async.queue.get(),
                                      async.queue.get(), this);
    }

    void go_on(bool ok)
    {
        if (step == Step::kOpen) {
            left = amount.messages();
            payload.set_body(body_of(amount));
        }
        if (!ok || left == 0) {
            step = Step::kEnd;
            stream->Finish(Status::OK, this);
            return;
        }
        step = Step::kWrite;
        left--;
        stream->Write(payload, this);
    }

    unsigned left = 0;
    Amount amount;
    Payload payload;
};

void serve_async(const std::string &address, char **tls)
{
    Async async;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, credentials(tls));
    builder.RegisterService(&async.service);
    async.queue = builder.AddCompletionQueue();
    auto server = builder.BuildAndStart();
    if (server == nullptr)
        std::exit(1);
    std::deque<UnaryCall<Empty>> pings;
    std::deque<UnaryCall<Order>> calls;
    std::deque<UnaryCall<Payload>> copies;
    std::deque<ChatCall> chats;
    std::deque<UploadCall> uploads;
    std::deque<DownloadCall> downloads;
    for (int i = 0; i < kPosted; i++) {
        pings.emplace_back(async, &Echo::AsyncService::RequestPing);
        calls.emplace_back(async, &Echo::AsyncService::RequestCall);
        copies.emplace_back(async, &Echo::AsyncService::RequestCopy);
        chats.emplace_back(async);
        uploads.emplace_back(async);
        downloads.emplace_back(async);
    }
    void *tag;
    bool ok;
    while (async.queue->Next(&tag, &ok))
        static_cast<Call *>(tag)->proceed(ok);
}

// --- with callbacks -----------------------------------------------------------------------------

class ChatReactor : public grpc::ServerBidiReactor<Payload, Payload> {
  public:
    ChatReactor()
    {
        StartRead(&payload_);
    }
    void OnReadDone(bool ok) override
    {
        ok ? StartWrite(&payload_) : Finish(Status::OK);
    }
    void OnWriteDone(bool ok) override
    {
        ok ? StartRead(&payload_) : Finish(Status::CANCELLED);
    }
    void OnDone() override
    {
        delete this;
    }

  private:
    Payload payload_;
};

class UploadReactor : public grpc::ServerReadReactor<Payload> {
  public:
    explicit UploadReactor(Amount *amount) : amount_(amount)
    {
        StartRead(&payload_);
    }
    void OnReadDone(bool ok) override
    {
        if (!ok)
            return Finish(Status::OK);
        count(amount_, payload_);
        StartRead(&payload_);
    }
    void OnDone() override
    {
        delete this;
    }

  private:
    Amount *amount_;
    Payload payload_;
};

class DownloadReactor : public grpc::ServerWriteReactor<Payload> {
  public:
    explicit DownloadReactor(const Amount &amount) : left_(amount.messages())
    {
        payload_.set_body(body_of(amount));
        OnWriteDone(true);
    }
    void OnWriteDone(bool ok) override
    {
        if (!ok || left_ == 0)
            return Finish(Status::OK);
        left_--;
        StartWrite(&payload_);
    }
    void OnDone() override
    {
        delete this;
    }

  private:
    unsigned left_;
    Payload payload_;
};

class CallbackEcho : public Echo::CallbackService {
    template <class Message>
    grpc::ServerUnaryReactor *answer(grpc::CallbackServerContext *context, const Message *request,
                                     Message *response)
    {
        auto *reactor = context->DefaultReactor();
        *response = *request;
        reactor->Finish(Status::OK);
        return reactor;
    }

    grpc::ServerUnaryReactor *Ping(grpc::CallbackServerContext *context, const Empty *request,
                                   Empty *response) override
    {
        return answer(context, request, response);
    }
    grpc::ServerUnaryReactor *Call(grpc::CallbackServerContext *context, const Order *request,
                                   Order *response) override
    {
        return answer(context, request, response);
    }
    grpc::ServerUnaryReactor *Copy(grpc::CallbackServerContext *context, const Payload *request,
                                   Payload *response) override
    {
        return answer(context, request, response);
    }
    grpc::ServerBidiReactor<Payload, Payload> *Chat(grpc::CallbackServerContext *) override
    {
        return new ChatReactor;
    }
    grpc::ServerReadReactor<Payload> *Upload(grpc::CallbackServerContext *, Amount *amount) override
    {
        return new UploadReactor(amount);
    }
    grpc::ServerWriteReactor<Payload> *Download(grpc::CallbackServerContext *,
                                                const Amount *amount) override
    {
        return new DownloadReactor(*amount);
    }
};

void serve_callback(const std::string &address, char **tls)
{
    CallbackEcho echo;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, credentials(tls));
    builder.RegisterService(&echo);
    auto server = builder.BuildAndStart();
    if (server == nullptr)
        std::exit(1);
    server->Wait();
}

// --- client -------------------------------------------------------------------------------------

std::atomic<long> calls;

struct Caller {
    Caller(Echo::Stub &stub, const Order &order) : stub(stub), order(order)
    {
        call();
    }

    void call()
    {
        context.emplace();
        stub.async()->Call(&*context, &order, &answer, [this](const Status &status) {
            if (!status.ok() || answer.id() != order.id()) {
                std::fprintf(stderr, "wrong answer: %s\n", status.error_message().c_str());
                _exit(1);
            }
            calls.fetch_add(1, std::memory_order_relaxed);
            call();
        });
    }

    Echo::Stub &stub;
    const Order &order;
    Order answer;
    std::optional<grpc::ClientContext> context;
};

double cpu_seconds()
{
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

void drive(const std::string &address, int in_flight, double seconds)
{
    auto stub = Echo::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
    Order order;
    order.set_id("0192f0c1-7a2b-7c3d");
    order.set_created_ms(1763712000000);
    order.mutable_customer()->set_name("Ada");
    order.mutable_customer()->set_email("ada@example.org");
    auto add_line = [&order](const char *product, int quantity, long price) {
        auto *line = order.add_lines();
        line->set_product_id(product);
        line->set_quantity(quantity);
        line->set_price_minor(price);
    };
    add_line("odyssey", 2, 9999);
    add_line("argo", 1, 4999);
    order.set_express(true);
    (*order.mutable_labels())["k"] = "v";
    order.set_discount(0.1);

    std::deque<Caller> callers;
    for (int i = 0; i < in_flight; i++)
        callers.emplace_back(*stub, order);
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds / 4));
    long calls_before = calls;
    double cpu_before = cpu_seconds();
    auto started = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    std::printf("%ld %f %f\n", calls - calls_before, took.count(), cpu_seconds() - cpu_before);
    std::fflush(stdout);
    _exit(0);
}

} // namespace

int main(int argc, char **argv)
{
    const std::string what = argc > 2 ? argv[1] : "";
    if (what == "async")
        serve_async(std::string("127.0.0.1:") + argv[2], argv + 3);
    else if (what == "callback")
        serve_callback(std::string("127.0.0.1:") + argv[2], argv + 3);
    else if (what == "client" && argc == 5)
        drive(std::string("127.0.0.1:") + argv[2], std::atoi(argv[3]), std::atof(argv[4]));
    std::fputs("usage: echo async|callback PORT [CERTIFICATE KEY] | echo client PORT IN_FLIGHT "
               "SECONDS\n",
               stderr);
    return 2;
}

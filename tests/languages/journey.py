"""The shop's journey with grpcio and the stubs of grpcio-tools.

    journey.py PRODUCT ORDER NOTIFICATION USER

The arguments are the services' addresses; SHOP_LOGIN and SHOP_PASSWORD in the environment are those
of a merchant. It ends with status 0 when every step was as promised.
"""
import os
import sys
import time
import uuid

import grpc

from mesh.type.v1.money_pb2 import Money
from notification.v1 import notification_pb2, notification_pb2_grpc
from order.v1 import order_pb2, order_pb2_grpc
from product.v1 import product_pb2, product_pb2_grpc
from user.v1 import user_pb2, user_pb2_grpc

LIMIT_S = 60  # for the stream, and for each wait
OPTIONS = {"timeout": 10}  # of all calls


def expect(holds, what, got):
    if not holds:
        sys.exit(f"not so: {what}: {got}")


def refused(method, request):
    try:
        method(request, **OPTIONS)
    except grpc.RpcError as error:
        return error.code()
    return None


def sign_in(users):
    """From now on all calls are the user's."""
    answer = users.SignInRegular(
        user_pb2.SignInRequest(
            login=os.environ["SHOP_LOGIN"], password=os.environ["SHOP_PASSWORD"]
        ),
        **OPTIONS,
    )
    OPTIONS["metadata"] = [("authorization", f"Bearer {answer.tokens.access_token}")]


def in_stock(products, product_id, stock):
    limit = time.monotonic() + LIMIT_S
    request = product_pb2.GetProductRequest(id=product_id)
    while (now := products.GetProduct(request, **OPTIONS)).in_stock != stock:
        expect(time.monotonic() < limit, f"{stock} in stock", now)
        time.sleep(0.02)


def journey(products, orders, notifications, users):
    code = refused(orders.ListOrders, order_pb2.ListOrdersRequest())
    expect(code == grpc.StatusCode.UNAUTHENTICATED, "nobody lists orders", code)
    sign_in(users)
    run = uuid.uuid4()
    first, second = f"odyssey-{run}", f"nautilus-{run}"

    for product_id, stock in (first, 10), (second, 5):
        product = product_pb2.Product(
            id=product_id, title=f"Title of {product_id}", in_stock=stock
        )
        made = products.CreateProduct(
            product_pb2.CreateProductRequest(product=product), **OPTIONS
        )
        as_asked = made.id == product_id and made.in_stock == stock
        expect(as_asked and made.HasField("create_time"), "product", made)

    stream = notifications.WatchNotifications(
        notification_pb2.WatchNotificationsRequest(), **{**OPTIONS, "timeout": LIMIT_S}
    )
    begin = next(stream)
    expect(not begin.HasField("notification"), "the watch begins without a notification", begin)

    lines = [
        order_pb2.OrderLine(
            product_id=product_id,
            quantity=quantity,
            price=Money(minor_units=price, currency="EUR"),
        )
        for product_id, quantity, price in ((first, 2, 9999), (second, 1, 1000))
    ]
    request = order_pb2.CreateOrderRequest(lines=lines, request_id=str(uuid.uuid4()))
    made = orders.CreateOrder(request, **OPTIONS)
    expect(made.total == Money(minor_units=20998, currency="EUR"), "total", made)
    again = orders.CreateOrder(request, **OPTIONS)
    expect(again.id == made.id, "the same request_id makes no other order", again)

    read = orders.GetOrder(order_pb2.GetOrderRequest(id=made.id), **OPTIONS)
    titles = [line.product.title for line in read.lines]
    expect(titles == [f"Title of {first}", f"Title of {second}"], "order", read)

    in_stock(products, first, 8)
    in_stock(products, second, 4)

    # Others may order, too. The stream ends with an error when its time is over.
    resource = f"orders/{made.id}"
    heard = next(m.notification for m in stream if m.notification.resource == resource)
    expect(heard.kind == notification_pb2.Notification.ORDER_CREATED, "kind", heard)
    page = notifications.ListNotifications(
        notification_pb2.ListNotificationsRequest(), **OPTIONS
    )
    expect(heard.id in [one.id for one in page.notifications], "the notification is listed", page)


channels = [grpc.insecure_channel(address) for address in sys.argv[1:5]]
journey(
    product_pb2_grpc.ProductServiceStub(channels[0]),
    order_pb2_grpc.OrderServiceStub(channels[1]),
    notification_pb2_grpc.NotificationServiceStub(channels[2]),
    user_pb2_grpc.UserServiceStub(channels[3]),
)
